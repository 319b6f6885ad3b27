"""One more end of a return. Old code never writes it, and lists it by its name."""

from django.db import migrations, models

STATES = [
    ("requested", "pedida"),
    ("approved", "aceita"),
    ("refused", "recusada"),
    ("received", "recebida"),
    ("refunded", "paga"),
    ("closed", "encerrada"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("order", "0008_authorization_lost"),
    ]

    operations = [
        migrations.AlterField(
            model_name="returnrequest",
            name="status",
            field=models.CharField(choices=STATES, max_length=9, verbose_name="situação"),
        ),
        migrations.RemoveConstraint(model_name="returnrequest", name="returns_status"),
        migrations.AddConstraint(
            model_name="returnrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", [state for state, _ in STATES])), name="returns_status"
            ),
        ),
    ]
