"""What customers do with products: review, favourite, wait for stock. Customers are known by their id alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import Q

from contexts.catalog.models.products import Product, Variant
from ecommerce.ids import new_id


class ReviewStatus(models.TextChoices):
    PENDING = "pending", "aguardando"
    APPROVED = "approved", "publicada"
    REJECTED = "rejected", "recusada"


class Review(models.Model):
    """A customer's opinion; only approved ones are shown and counted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, verbose_name="produto", on_delete=models.CASCADE, related_name="reviews")
    customer_id = models.UUIDField("cliente")
    author_name = models.CharField("nome exibido", max_length=80)
    rating = models.PositiveSmallIntegerField("nota")
    title = models.CharField("título", max_length=120, blank=True, default="")
    body = models.TextField("texto", blank=True, default="", max_length=4000)
    status = models.CharField("situação", max_length=8, choices=ReviewStatus, default=ReviewStatus.PENDING)
    verified_purchase = models.BooleanField("compra verificada", default=False)
    created_at = models.DateTimeField("escrita em")
    moderated_at = models.DateTimeField("moderada em", null=True, blank=True)
    moderated_by = models.UUIDField("moderada por", null=True, blank=True)

    class Meta:
        db_table = "reviews"
        verbose_name = "avaliação"
        verbose_name_plural = "avaliações"
        constraints = (
            models.UniqueConstraint(fields=["product", "customer_id"], name="reviews_one_per_customer"),
            models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="reviews_one_to_five_stars"),
            models.CheckConstraint(condition=Q(status__in=ReviewStatus.values), name="reviews_known_status"),
        )
        indexes = (
            models.Index(
                fields=["product", "-created_at", "-id"],
                condition=Q(status=ReviewStatus.APPROVED),
                name="reviews_shown",
            ),
            models.Index(fields=["status", "-created_at", "-id"], name="reviews_to_moderate"),
        )

    def __str__(self) -> str:
        return f"{self.rating}★ {self.title}"

    def approve(self, *, by: UUID | None, now: datetime) -> None:
        """Show the review. A rejected one may be approved later, and the other way round."""
        self._moderate(ReviewStatus.APPROVED, by=by, now=now)

    def reject(self, *, by: UUID | None, now: datetime) -> None:
        """Keep the review out of the shop."""
        self._moderate(ReviewStatus.REJECTED, by=by, now=now)

    def _moderate(self, status: ReviewStatus, *, by: UUID | None, now: datetime) -> None:
        self.status, self.moderated_by, self.moderated_at = status, by, now


class VerifiedPurchase(models.Model):
    """A customer received a product: learnt from the delivery of an order."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField("cliente")
    product_id = models.UUIDField("produto")
    order_id = models.UUIDField("pedido")
    delivered_at = models.DateTimeField("entregue em")

    class Meta:
        db_table = "verified_purchases"
        verbose_name = "compra verificada"
        verbose_name_plural = "compras verificadas"
        constraints = (
            models.UniqueConstraint(
                fields=["customer_id", "product_id", "order_id"], name="verified_purchases_one_per_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.product_id}"


class Favourite(models.Model):
    """A product that a customer keeps in sight."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField("cliente")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField("desde")

    class Meta:
        db_table = "favourites"
        verbose_name = "favorito"
        verbose_name_plural = "favoritos"
        constraints = (models.UniqueConstraint(fields=["customer_id", "product"], name="favourites_once"),)
        indexes = (models.Index(fields=["customer_id", "-created_at", "-id"], name="favourites_of_customer"),)

    def __str__(self) -> str:
        return f"{self.product_id}"


class StockAlert(models.Model):
    """A customer's wish to be told once when a sold-out variant has pieces again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_id = models.UUIDField("cliente")
    variant = models.ForeignKey(Variant, verbose_name="variante", on_delete=models.CASCADE, related_name="stock_alerts")
    created_at = models.DateTimeField("desde")
    notified_at = models.DateTimeField("avisado em", null=True, blank=True)

    class Meta:
        db_table = "stock_alerts"
        verbose_name = "aviso de estoque"
        verbose_name_plural = "avisos de estoque"
        constraints = (
            models.UniqueConstraint(
                fields=["variant", "customer_id"], condition=Q(notified_at__isnull=True), name="stock_alerts_one_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.variant_id}"
