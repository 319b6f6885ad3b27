from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("saga", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="sagainstance",
            name="failures",
            field=models.SmallIntegerField(db_default=0, verbose_name="falhas"),
        ),
        migrations.AddField(
            model_name="sagainstance",
            name="crashes",
            field=models.SmallIntegerField(db_default=0, verbose_name="quedas"),
        ),
        migrations.AddField(
            model_name="sagainstance",
            name="to_undo",
            field=models.JSONField(db_default=[], verbose_name="por desfazer"),
        ),
        migrations.AddField(
            model_name="sagainstance",
            name="parked",
            field=models.JSONField(db_default=[], verbose_name="esperam uma pessoa"),
        ),
        migrations.AddField(
            model_name="sagainstance",
            name="signalled",
            field=models.BooleanField(db_default=False, verbose_name="sinalizada"),
        ),
    ]
