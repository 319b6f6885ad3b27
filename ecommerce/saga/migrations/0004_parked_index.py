from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("saga", "0003_origin_and_process")]

    operations = [
        migrations.AddIndex(
            model_name="sagainstance",
            index=models.Index(fields=["saga_type"], condition=models.Q(status="PARKED"), name="saga_instance_parked"),
        ),
    ]
