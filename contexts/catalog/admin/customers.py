"""Reviews to moderate, and what customers wait for."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from contexts.catalog.admin.pages import ReadOnlyAdmin
from contexts.catalog.models import Favourite, Review, StockAlert, VerifiedPurchase
from contexts.catalog.usecases.reviews import moderate_reviews
from ecommerce import clock
from ecommerce.admin import Coloured


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """A customer's words are approved or refused, never edited."""

    list_display: ClassVar[list[str]] = ["created_at", "product", "rating", "title", "author_name", "situation"]
    list_select_related: ClassVar[list[str]] = ["product"]
    list_filter: ClassVar[list[str]] = ["status", "rating", "verified_purchase"]
    search_fields: ClassVar[list[str]] = ["title", "body", "product__name"]
    ordering: ClassVar[list[str]] = ["-id"]
    actions: ClassVar[list[str]] = ["approve", "reject"]

    @display(
        description="situação",
        ordering="status",
        label={"pending": "warning", "approved": "success", "rejected": "danger"},
    )
    def situation(self, review: Review) -> Coloured:
        return Coloured(review.status, review.get_status_display())

    @admin.action(description="Publicar", permissions=["moderate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        self._moderate(request, queryset, approve=True)

    @admin.action(description="Recusar", permissions=["moderate"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        self._moderate(request, queryset, approve=False)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("catalog.change_review"))

    def _moderate(self, request: HttpRequest, queryset: QuerySet[Review], *, approve: bool) -> None:
        ids = list(queryset.values_list("id", flat=True))
        number = moderate_reviews(ids=ids, approve=approve, by=request.user.pk, now=clock.now())
        messages.success(request, f"{number} avaliação(ões) {'publicada(s)' if approve else 'recusada(s)'}.")


@admin.register(StockAlert)
class StockAlertAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[Any]] = ["variant", "product", "customer_id", "created_at", "notified_at"]
    list_select_related: ClassVar[list[str]] = ["variant__product"]
    list_filter: ClassVar[list[Any]] = [("notified_at", admin.EmptyFieldListFilter)]
    ordering: ClassVar[list[str]] = ["-id"]

    @admin.display(description="produto")
    def product(self, alert: StockAlert) -> str:
        return alert.variant.product.name


@admin.register(Favourite)
class FavouriteAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[str]] = ["product", "customer_id", "created_at"]
    list_select_related: ClassVar[list[str]] = ["product"]
    ordering: ClassVar[list[str]] = ["-id"]


@admin.register(VerifiedPurchase)
class VerifiedPurchaseAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[str]] = ["product_id", "customer_id", "order_id", "delivered_at"]
    search_fields: ClassVar[list[str]] = ["=customer_id", "=order_id"]
    ordering: ClassVar[list[str]] = ["-id"]
