"""Returns, and what they need to know: how many pieces of each line arrived. What was delivered before is counted."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import ecommerce.ids

DELIVERED = """
    UPDATE order_lines AS l SET delivered_quantity = arrived.pieces
    FROM (
        SELECT p.order_line_id, sum(p.quantity) AS pieces
        FROM shipment_lines p JOIN shipments s ON s.id = p.shipment_id
        WHERE s.delivered_at IS NOT NULL GROUP BY 1
    ) AS arrived
    WHERE l.id = arrived.order_line_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("order", "0006_open_payments"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReturnLine",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("quantity", models.PositiveIntegerField(verbose_name="quantidade")),
                ("sellable_quantity", models.PositiveIntegerField(default=0, verbose_name="vendáveis")),
            ],
            options={
                "verbose_name": "item a devolver",
                "verbose_name_plural": "itens a devolver",
                "db_table": "return_lines",
            },
        ),
        migrations.CreateModel(
            name="ReturnRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(default=ecommerce.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "pedida"),
                            ("approved", "aceita"),
                            ("refused", "recusada"),
                            ("received", "recebida"),
                            ("refunded", "paga"),
                        ],
                        max_length=9,
                        verbose_name="situação",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("withdrawal", "arrependimento"),
                            ("defect", "defeito"),
                            ("damaged", "chegou danificado"),
                            ("wrong_item", "item errado"),
                            ("other", "outro motivo"),
                        ],
                        max_length=10,
                        verbose_name="motivo",
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=500, verbose_name="explicação")),
                ("freight", models.BooleanField(verbose_name="devolve o frete")),
                ("answer", models.CharField(blank=True, default="", max_length=500, verbose_name="resposta")),
                ("actor", models.CharField(max_length=80, verbose_name="quem")),
                ("requested_at", models.DateTimeField(verbose_name="pedida em")),
                ("changed_at", models.DateTimeField(verbose_name="mudou em")),
            ],
            options={
                "verbose_name": "pedido de devolução",
                "verbose_name_plural": "pedidos de devolução",
                "db_table": "returns",
            },
        ),
        migrations.AddField(
            model_name="dailysales",
            name="interest",
            field=models.DecimalField(db_default=0, decimal_places=2, default=0, max_digits=14, verbose_name="juros"),
        ),
        migrations.AddField(
            model_name="dailysales",
            name="refunded",
            field=models.DecimalField(
                db_default=0, decimal_places=2, default=0, max_digits=14, verbose_name="devolvido"
            ),
        ),
        migrations.AddField(
            model_name="orderline",
            name="delivered_quantity",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="entregues"),
        ),
        migrations.AddField(
            model_name="orderline",
            name="returned_quantity",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="pagas por devolução"),
        ),
        migrations.AddField(
            model_name="orderline",
            name="returning_quantity",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="a devolver"),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delivered_quantity__lte", models.F("shipped_quantity")),
                    (
                        "returning_quantity__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("delivered_quantity"), "-", models.F("returned_quantity")
                        ),
                    ),
                ),
                name="order_lines_returning",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "returning_quantity__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("quantity"), "-", models.F("refunded_quantity")
                        ),
                    )
                ),
                name="order_lines_returned_once",
            ),
        ),
        migrations.AddField(
            model_name="returnline",
            name="order_line",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="returns",
                to="order.orderline",
                verbose_name="item",
            ),
        ),
        migrations.AddField(
            model_name="returnrequest",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="returns",
                to="order.order",
                verbose_name="pedido",
            ),
        ),
        migrations.AddField(
            model_name="returnrequest",
            name="refund",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="return_request",
                to="order.refund",
                verbose_name="reembolso",
            ),
        ),
        migrations.AddField(
            model_name="returnline",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lines",
                to="order.returnrequest",
                verbose_name="pedido de devolução",
            ),
        ),
        migrations.AddIndex(
            model_name="returnrequest",
            index=models.Index(fields=["status", "requested_at", "id"], name="returns_queue"),
        ),
        migrations.AddConstraint(
            model_name="returnrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["requested", "approved", "refused", "received", "refunded"])),
                name="returns_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="returnrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__in", ["withdrawal", "defect", "damaged", "wrong_item", "other"])),
                name="returns_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="returnrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refund__isnull", False), ("status", "refunded")),
                    models.Q(models.Q(("status", "refunded"), _negated=True), ("refund__isnull", True)),
                    _connector="OR",
                ),
                name="returns_refund",
            ),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.UniqueConstraint(fields=("request", "order_line"), name="return_lines_once"),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 1), ("sellable_quantity__lte", models.F("quantity"))),
                name="return_lines_quantity",
            ),
        ),
        migrations.RunSQL(DELIVERED, migrations.RunSQL.noop),
    ]
