"""What recipients want, and where their browsers listen."""

from django.db import models
from django.db.models import F

from contexts.notification.domain import Category, Channel
from ecommerce.ids import new_id


class Preference(models.Model):
    """One choice of one recipient. ``recipient_key`` names an account or a hashed address, never the address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    recipient_key = models.CharField("destinatário", max_length=80)
    channel = models.CharField("canal", max_length=8, choices=[(channel.value, channel.value) for channel in Channel])
    category = models.CharField(
        "categoria", max_length=16, choices=[(category.value, category.value) for category in Category]
    )
    allowed = models.BooleanField("permite")
    updated_at = models.DateTimeField("alterado em")

    class Meta:
        db_table = "preferences"
        verbose_name = "preferência"
        verbose_name_plural = "preferências"
        constraints = [
            models.UniqueConstraint(fields=["recipient_key", "channel", "category"], name="preferences_one_per_choice"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} · {self.category}: {'sim' if self.allowed else 'não'}"


class PushSubscription(models.Model):
    """A browser that a customer allowed to be notified (Web Push). One endpoint belongs to one customer at a time."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField("cliente", db_index=True)
    endpoint = models.URLField("endereço", max_length=1000, unique=True)
    p256dh = models.CharField("chave pública", max_length=200)
    auth = models.CharField("segredo", max_length=100)
    created_at = models.DateTimeField("criado em")
    updated_at = models.DateTimeField("alterado em")

    class Meta:
        db_table = "push_subscriptions"
        verbose_name = "inscrição de push"
        verbose_name_plural = "inscrições de push"
        ordering = [F("created_at").desc()]

    def __str__(self) -> str:
        return str(self.id)
