"""Beside the writers: the table only grows, and every consumer writes to it."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("inbox", "0004_replays"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="inboxmessage",
            index=models.Index(fields=["consumer", "partition_key", "sequence"], name="inbox_message_order"),
        ),
    ]
