"""Beside the writers: nobody has to wait with a payment until the index stands."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("order", "0005_instalments"),
    ]

    operations = [
        RemoveIndexConcurrently(model_name="paymentattempt", name="payment_attempts_open"),
        AddIndexConcurrently(
            model_name="paymentattempt",
            index=models.Index(
                condition=models.Q(("status__in", ["unknown", "pending", "requires_action", "authorized"])),
                fields=["method", "updated_at"],
                name="payment_attempts_open",
            ),
        ),
    ]
