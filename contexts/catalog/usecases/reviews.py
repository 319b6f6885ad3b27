"""Reviews: written by buyers, shown once staff approved them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from contexts.catalog.models import Product, Review, VerifiedPurchase
from contexts.catalog.queries.sql import execute
from contexts.catalog.usecases.products import ProductNotFound
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.errors import Conflict, Forbidden, NotFound
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work

REMEMBER = """
    INSERT INTO verified_purchases (id, customer_id, product_id, order_id, delivered_at)
    SELECT p.id, %(customer)s, p.product_id, %(order)s, %(at)s
    FROM unnest(%(ids)s::uuid[], %(products)s::uuid[]) AS p (id, product_id)
    ON CONFLICT DO NOTHING
"""


class NotPurchased(Forbidden):
    """Only who received the product may review it."""

    code = "not_purchased"


class AlreadyReviewed(Conflict):
    code = "already_reviewed"


class ReviewNotFound(NotFound):
    code = "review_not_found"


def write_review(
    *, product_id: UUID, customer_id: UUID, author_name: str, rating: int, title: str, body: str, now: datetime
) -> Review:
    """Keep a customer's review until staff approves it.

    Raises:
        ProductNotFound: the product is unknown or removed.
        NotPurchased: no delivered order of this customer holds the product.
        AlreadyReviewed: one review per customer and product.
    """
    review = Review(
        product_id=product_id, customer_id=customer_id, author_name=author_name, rating=rating, title=title, body=body,
        verified_purchase=True, created_at=now,
    )  # fmt: skip
    try:
        with unit_of_work("catalog"):
            if not Product.objects.filter(id=product_id, deleted_at__isnull=True).exists():
                raise ProductNotFound("O produto não existe.")
            bought = VerifiedPurchase.objects.filter(customer_id=customer_id, product_id=product_id)
            if not bought.exists():
                raise NotPurchased("Só quem recebeu o produto pode avaliá-lo.")
            review.save(force_insert=True)
    except IntegrityError as error:
        if "reviews_one_per_customer" not in str(error):
            raise
        raise AlreadyReviewed("Você já avaliou este produto.") from error
    return review


def moderate_reviews(*, ids: Collection[UUID], approve: bool, by: UUID | None, now: datetime) -> int:
    """Approve or reject reviews and bring the ratings of their products up to date; return how many were found.

    Raises:
        ReviewNotFound: none of them exists.
    """
    with unit_of_work("catalog"):
        reviews = list(Review.objects.select_for_update().filter(id__in=ids).order_by("id"))
        if not reviews:
            raise ReviewNotFound("A avaliação não existe.")
        for review in reviews:
            if approve:
                review.approve(by=by, now=now)
            else:
                review.reject(by=by, now=now)
        Review.objects.bulk_update(reviews, ["status", "moderated_at", "moderated_by"])
        refresh_products({review.product_id for review in reviews})
    return len(reviews)


def remember_purchases(
    *, customer_id: UUID, product_ids: Sequence[UUID], order_id: UUID, delivered_at: datetime
) -> None:
    """Let a customer review what was delivered. Idempotent per order."""
    products = sorted(set(product_ids))
    parameters = {
        "ids": [new_id() for _ in products],
        "products": products,
        "customer": customer_id,
        "order": order_id,
        "at": delivered_at,
    }
    with unit_of_work("catalog"):
        execute(REMEMBER, parameters)
