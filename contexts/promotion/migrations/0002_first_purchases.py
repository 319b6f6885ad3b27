"""A discount on the first purchase is reserved for one order of a buyer, as a coupon's use is."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("promotion", "0001_initial")]

    operations = [
        migrations.AddField("buyer", "is_first", models.BooleanField(default=False, db_default=False)),
        migrations.AddConstraint(
            "buyer",
            models.UniqueConstraint(fields=["customer_key"], condition=Q(is_first=True), name="buyer_first_once"),
        ),
    ]
