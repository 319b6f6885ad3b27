"""Refunds, payments that are captured later, and a history that cannot be changed: the database itself refuses to change
or delete a row of ``payment_ledger`` and ``order_timeline``."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import ecommerce.ids

CREATE = """
CREATE FUNCTION order_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_ledger
    FOR EACH ROW EXECUTE FUNCTION order_history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_timeline
    FOR EACH ROW EXECUTE FUNCTION order_history_is_append_only();
"""

DROP = """
DROP TRIGGER append_only ON order_timeline;
DROP TRIGGER append_only ON payment_ledger;
DROP FUNCTION order_history_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("order", "0003_cases")]

    operations = [
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("staff", "da loja"),
                            ("surplus", "pago a mais"),
                            ("gateway", "feita à mão no gateway"),
                        ],
                        max_length=8,
                        verbose_name="origem",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("requested", "pedida"), ("done", "feita")],
                        default="requested",
                        max_length=9,
                        verbose_name="situação",
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=12, verbose_name="valor")),
                ("currency", models.CharField(default="BRL", max_length=3, verbose_name="moeda")),
                ("restock", models.BooleanField(default=False, verbose_name="volta ao estoque")),
                ("reason", models.CharField(blank=True, default="", max_length=200, verbose_name="motivo")),
                ("actor", models.CharField(max_length=80, verbose_name="quem")),
                ("requested_at", models.DateTimeField(verbose_name="pedida em")),
                ("done_at", models.DateTimeField(blank=True, null=True, verbose_name="feita em")),
            ],
            options={
                "verbose_name": "devolução",
                "verbose_name_plural": "devoluções",
                "db_table": "refunds",
            },
        ),
        migrations.CreateModel(
            name="RefundLine",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("quantity", models.PositiveIntegerField(verbose_name="quantidade")),
                ("amount", models.DecimalField(decimal_places=2, max_digits=12, verbose_name="valor")),
                ("freight", models.DecimalField(decimal_places=2, max_digits=12, verbose_name="frete")),
            ],
            options={
                "verbose_name": "item devolvido",
                "verbose_name_plural": "itens devolvidos",
                "db_table": "refund_lines",
            },
        ),
        migrations.CreateModel(
            name="RefundShare",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=12, verbose_name="valor")),
            ],
            options={
                "verbose_name": "parte da devolução",
                "verbose_name_plural": "partes da devolução",
                "db_table": "refund_shares",
            },
        ),
        migrations.RemoveConstraint(
            model_name="orderline",
            name="order_lines_shipped",
        ),
        migrations.AddField(
            model_name="orderline",
            name="refunded_quantity",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="devolvidos"),
        ),
        migrations.AddField(
            model_name="orderline",
            name="withdrawn_quantity",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="retirados"),
        ),
        migrations.AddField(
            model_name="paymentattempt",
            name="captures_later",
            field=models.BooleanField(db_default=False, default=False, verbose_name="captura no envio"),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("authorize", "autorização"),
                    ("release", "autorização desfeita"),
                    ("capture", "entrada"),
                    ("refund", "devolução"),
                ],
                max_length=12,
                verbose_name="tipo",
            ),
        ),
        migrations.AlterField(
            model_name="timelineentry",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="timeline",
                to="order.order",
                verbose_name="pedido",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["authorize", "release", "capture", "refund"])),
                name="payment_ledger_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "shipped_quantity__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("quantity"), "-", models.F("withdrawn_quantity")
                        ),
                    )
                ),
                name="order_lines_shipped",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("refunded_quantity__lte", models.F("quantity")),
                    ("withdrawn_quantity__lte", models.F("refunded_quantity")),
                ),
                name="order_lines_refunded",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="order.order",
                verbose_name="pedido",
            ),
        ),
        migrations.AddField(
            model_name="refundline",
            name="order_line",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="order.orderline",
                verbose_name="item",
            ),
        ),
        migrations.AddField(
            model_name="refundline",
            name="refund",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lines",
                to="order.refund",
                verbose_name="devolução",
            ),
        ),
        migrations.AddField(
            model_name="refundshare",
            name="attempt",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refund_shares",
                to="order.paymentattempt",
                verbose_name="pagamento",
            ),
        ),
        migrations.AddField(
            model_name="refundshare",
            name="refund",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="shares",
                to="order.refund",
                verbose_name="devolução",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["-requested_at", "-id"], name="refunds_newest"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="refunds_amount"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["requested", "done"])), name="refunds_status"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("origin__in", ["staff", "surplus", "gateway"])), name="refunds_origin"
            ),
        ),
        migrations.AddConstraint(
            model_name="refundline",
            constraint=models.UniqueConstraint(fields=("refund", "order_line"), name="refund_lines_once"),
        ),
        migrations.AddConstraint(
            model_name="refundline",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", 0), ("freight__gte", 0), ("quantity__gte", 1)),
                name="refund_lines_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundshare",
            constraint=models.UniqueConstraint(fields=("refund", "attempt"), name="refund_shares_once"),
        ),
        migrations.AddConstraint(
            model_name="refundshare",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="refund_shares_amount"),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
