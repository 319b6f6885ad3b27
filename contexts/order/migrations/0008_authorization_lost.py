"""One more kind of case. Old code never writes it, and shows it by its name."""

from django.db import migrations, models

KINDS = [
    ("charge_unknown_to_us", "cobrança que não conhecemos"),
    ("charge_unknown_to_gateway", "cobrança que o gateway não conhece"),
    ("amount_differs", "valor recebido difere"),
    ("refund_differs", "valor devolvido difere"),
    ("webhook_given_up", "aviso que não foi processado"),
    ("authorization_lost", "autorização perdida"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("order", "0007_returns"),
    ]

    operations = [
        migrations.AlterField(
            model_name="staffcase",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=30, verbose_name="tipo"),
        ),
        migrations.RemoveConstraint(model_name="staffcase", name="staff_cases_kind"),
        migrations.AddConstraint(
            model_name="staffcase",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", [kind for kind, _ in KINDS])), name="staff_cases_kind"
            ),
        ),
    ]
