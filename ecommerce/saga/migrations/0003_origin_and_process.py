from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("saga", "0002_staff_and_signals")]

    operations = [
        migrations.AddField(
            model_name="sagainstance",
            name="origin",
            field=models.JSONField(db_default={}, verbose_name="origem"),
        ),
        migrations.AddField(
            model_name="sagastep",
            name="ran_by",
            field=models.CharField(db_default="", max_length=200),
        ),
    ]
