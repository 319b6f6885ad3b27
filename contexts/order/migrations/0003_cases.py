"""Cases for the staff. A resolved one is history: the database itself refuses to change or delete it."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

import ecommerce.ids

CREATE = """
CREATE FUNCTION resolved_cases_are_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a resolved case is history: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER history BEFORE UPDATE OR DELETE ON staff_cases
    FOR EACH ROW WHEN (OLD.status = 'resolved') EXECUTE FUNCTION resolved_cases_are_history();
"""

DROP = """
DROP TRIGGER history ON staff_cases;
DROP FUNCTION resolved_cases_are_history();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("order", "0002_hardening"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaffCase",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("charge_unknown_to_us", "cobrança que não conhecemos"),
                            ("charge_unknown_to_gateway", "cobrança que o gateway não conhece"),
                            ("amount_differs", "valor recebido difere"),
                            ("refund_differs", "valor devolvido difere"),
                            ("webhook_given_up", "aviso que não foi processado"),
                        ],
                        max_length=30,
                        verbose_name="tipo",
                    ),
                ),
                ("gateway", models.CharField(max_length=20, verbose_name="gateway")),
                ("reference", models.CharField(max_length=80, verbose_name="número no gateway")),
                ("facts", models.JSONField(verbose_name="o que cada um diz")),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=2, default=Decimal("0"), max_digits=12, verbose_name="diferença"
                    ),
                ),
                ("currency", models.CharField(default="BRL", max_length=3, verbose_name="moeda")),
                ("charged_at", models.DateTimeField(blank=True, null=True, verbose_name="cobrado em")),
                (
                    "status",
                    models.CharField(
                        choices=[("suspected", "em observação"), ("open", "aberto"), ("resolved", "resolvido")],
                        default="suspected",
                        max_length=10,
                        verbose_name="situação",
                    ),
                ),
                ("first_seen_at", models.DateTimeField(verbose_name="visto primeiro em")),
                ("seen_at", models.DateTimeField(verbose_name="visto por último em")),
                ("opened_at", models.DateTimeField(blank=True, null=True, verbose_name="aberto em")),
                ("resolved_at", models.DateTimeField(blank=True, null=True, verbose_name="resolvido em")),
                ("resolved_by", models.CharField(blank=True, default="", max_length=80, verbose_name="resolvido por")),
                ("note", models.TextField(blank=True, default="", verbose_name="nota")),
                (
                    "attempt",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="order.paymentattempt",
                        verbose_name="pagamento",
                    ),
                ),
            ],
            options={
                "verbose_name": "caso",
                "verbose_name_plural": "casos de pagamento",
                "db_table": "staff_cases",
                "indexes": [
                    models.Index(fields=["status", "opened_at", "id"], name="staff_cases_queue"),
                    models.Index(fields=["gateway", "reference"], name="staff_cases_reference"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "charge_unknown_to_us",
                                    "charge_unknown_to_gateway",
                                    "amount_differs",
                                    "refund_differs",
                                    "webhook_given_up",
                                ],
                            )
                        ),
                        name="staff_cases_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("opened_at__isnull", True), ("resolved_at__isnull", True), ("status", "suspected")
                            ),
                            models.Q(("opened_at__isnull", False), ("resolved_at__isnull", True), ("status", "open")),
                            models.Q(
                                ("opened_at__isnull", False),
                                ("resolved_at__isnull", False),
                                ("status", "resolved"),
                                models.Q(("resolved_by", ""), _negated=True),
                                models.Q(("note", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="staff_cases_status",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["suspected", "open"])),
                        fields=("kind", "gateway", "reference"),
                        name="staff_cases_once",
                    ),
                ],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
