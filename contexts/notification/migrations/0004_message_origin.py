from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notification", "0003_refund_messages")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="correlation_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="message",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", default="", max_length=55),
        ),
    ]
