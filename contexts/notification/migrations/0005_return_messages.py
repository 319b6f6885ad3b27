from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notification", "0004_message_origin"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="kind",
            field=models.CharField(
                choices=[
                    ("welcome", "Boas-vindas"),
                    ("order_placed", "Pedido recebido"),
                    ("order_confirmed", "Pagamento confirmado"),
                    ("order_cancelled", "Pedido cancelado"),
                    ("order_refunded", "Devolução feita"),
                    ("return_requested", "Devolução pedida"),
                    ("return_approved", "Devolução aceita"),
                    ("return_refused", "Devolução recusada"),
                    ("order_shipped", "Pedido enviado"),
                    ("order_delivered", "Pedido entregue"),
                    ("cart_abandoned", "Carrinho abandonado"),
                    ("back_in_stock", "De volta ao estoque"),
                ],
                max_length=40,
                verbose_name="ocasião",
            ),
        ),
        migrations.AlterField(
            model_name="template",
            name="key",
            field=models.CharField(
                choices=[
                    ("welcome", "Boas-vindas"),
                    ("order_placed", "Pedido recebido"),
                    ("order_confirmed", "Pagamento confirmado"),
                    ("order_cancelled", "Pedido cancelado"),
                    ("order_refunded", "Devolução feita"),
                    ("return_requested", "Devolução pedida"),
                    ("return_approved", "Devolução aceita"),
                    ("return_refused", "Devolução recusada"),
                    ("order_shipped", "Pedido enviado"),
                    ("order_delivered", "Pedido entregue"),
                    ("cart_abandoned", "Carrinho abandonado"),
                    ("back_in_stock", "De volta ao estoque"),
                ],
                max_length=40,
                verbose_name="ocasião",
            ),
        ),
    ]
