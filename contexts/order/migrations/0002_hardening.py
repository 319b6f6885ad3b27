import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("order", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "UPDATE payment_attempts SET expires_at = created_at + interval '15 minutes' WHERE expires_at IS NULL",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="paymentattempt",
            name="expires_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="vence em"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="due_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="próxima tentativa"),
            preserve_default=False,
        ),
        migrations.RemoveIndex(model_name="order", name="orders_of_guest"),
        migrations.RemoveIndex(model_name="webhookevent", name="payment_webhooks_open"),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["status", "-placed_at", "-id"], name="orders_of_status"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["email", "-placed_at", "-id"], name="orders_of_email"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(
                condition=models.Q(("status__in", ["unknown", "pending", "requires_action", "authorized"])),
                fields=["updated_at"],
                name="payment_attempts_open",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(fields=["-at", "-id"], name="payment_ledger_newest"),
        ),
        migrations.AddIndex(
            model_name="shipment",
            index=models.Index(fields=["-shipped_at", "-id"], name="shipments_newest"),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(
                condition=models.Q(("processed_at__isnull", True)), fields=["due_at"], name="payment_webhooks_open"
            ),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(fields=["attempt_id"], name="payment_webhooks_attempt"),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(fields=["-received_at", "-id"], name="payment_webhooks_newest"),
        ),
    ]
