"""A version tells changes of stock by the application from others. The default is stored once, no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_products_that_bypass")]

    operations = [
        migrations.AddField(
            model_name="stock",
            name="version",
            field=models.BigIntegerField(db_default=1, default=1, editable=False, verbose_name="versão"),
        ),
    ]
