"""What customers keep in sight: favourites, and sold-out variants they wait for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from contexts.catalog.models import Favourite, StockAlert
from contexts.catalog.queries.sql import execute, fetch_one
from contexts.catalog.usecases.prices import VariantNotFound
from contexts.catalog.usecases.products import ProductNotFound
from ecommerce.errors import Conflict
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work

ADD_FAVOURITE = """
    INSERT INTO favourites (id, customer_id, product_id, created_at)
    SELECT %(id)s, %(customer)s, p.id, %(now)s FROM products p WHERE p.id = %(product)s AND p.deleted_at IS NULL
    ON CONFLICT (customer_id, product_id) DO NOTHING RETURNING id
"""
IS_FAVOURITE = "SELECT 1 FROM favourites WHERE customer_id = %s AND product_id = %s"
FREE_PIECES = """
    SELECT s.on_hand - s.reserved FROM stock s JOIN variants v ON v.id = s.variant_id
    WHERE s.variant_id = %s AND v.active AND v.deleted_at IS NULL FOR SHARE OF s
"""
ADD_ALERT = """
    INSERT INTO stock_alerts (id, customer_id, variant_id, created_at) VALUES (%s, %s, %s, %s)
    ON CONFLICT (variant_id, customer_id) WHERE notified_at IS NULL DO NOTHING
"""


class VariantInStock(Conflict):
    """There is nothing to wait for: the variant has free pieces."""

    code = "variant_in_stock"


def add_favourite(*, customer_id: UUID, product_id: UUID, now: datetime) -> None:
    """Keep a product among the customer's favourites. Idempotent.

    Raises:
        ProductNotFound
    """
    parameters = {"id": new_id(), "customer": customer_id, "product": product_id, "now": now}
    with unit_of_work("catalog"):
        if fetch_one(ADD_FAVOURITE, parameters) is None and fetch_one(IS_FAVOURITE, [customer_id, product_id]) is None:
            raise ProductNotFound("O produto não existe.")


def remove_favourite(*, customer_id: UUID, product_id: UUID) -> None:
    """Forget a favourite. Idempotent."""
    with unit_of_work("catalog"):
        Favourite.objects.filter(customer_id=customer_id, product_id=product_id).delete()


def ask_stock_alert(*, customer_id: UUID, variant_id: UUID, now: datetime) -> None:
    """Tell the customer once when a sold-out variant has pieces again. Idempotent.

    Raises:
        VariantNotFound: unknown, or no longer sold.
        VariantInStock: it has pieces now.
    """
    with unit_of_work("catalog"):
        # The shared lock keeps the variant from coming back between this look and the insert.
        free = fetch_one(FREE_PIECES, [variant_id])
        if free is None:
            raise VariantNotFound("A variante não existe.")
        if free[0] > 0:
            raise VariantInStock("A variante está disponível.", available=free[0])
        execute(ADD_ALERT, [new_id(), customer_id, variant_id, now])


def drop_stock_alert(*, customer_id: UUID, variant_id: UUID) -> None:
    """Forget an alert that was not sent yet. Idempotent."""
    with unit_of_work("catalog"):
        waiting = StockAlert.objects.filter(notified_at__isnull=True)
        waiting.filter(customer_id=customer_id, variant_id=variant_id).delete()
