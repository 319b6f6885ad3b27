"""Bounded reads, and the few statements that the ORM cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db import connections
from django.db.models import Count, Q, Sum

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import CartMerged, Recorded
from contexts.cart.interface import CartNotFound
from contexts.cart.models import AbandonedCart, Cart, CartEvent, ExhaustedCoupon, VariantPrice
from ecommerce.db import rows
from ecommerce.money import Money

TAKE_REMINDERS = """
    INSERT INTO reminders (contact, reminded_at)
    SELECT contact, %(now)s FROM unnest(%(contacts)s::text[]) AS contact
    ON CONFLICT (contact) DO UPDATE SET reminded_at = EXCLUDED.reminded_at
        WHERE reminders.reminded_at <= %(before)s
    RETURNING contact
"""

STORE_VARIANT_PRICE = """
    INSERT INTO variant_prices (variant_id, price, currency, version, changed_at)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (variant_id) DO UPDATE SET price = EXCLUDED.price, currency = EXCLUDED.currency,
        version = EXCLUDED.version, changed_at = EXCLUDED.changed_at
        WHERE variant_prices.version < EXCLUDED.version
"""

STORE_EXHAUSTED_COUPON = """
    INSERT INTO exhausted_coupons (code, coupon_id, version, exhausted_at)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (code) DO UPDATE SET coupon_id = EXCLUDED.coupon_id, version = EXCLUDED.version,
        exhausted_at = EXCLUDED.exhausted_at
        WHERE exhausted_coupons.exhausted_at < EXCLUDED.exhausted_at
"""

BLANK_EMAILS_IN_EVENTS = """
    UPDATE cart_events SET data = jsonb_set(data, '{email}', '""')
    WHERE (cart_id = ANY(%(carts)s) AND data ->> 'email' <> '') OR data ->> 'email' = %(address)s
"""

RECOVERED = """
    UPDATE abandoned_carts SET recovered_at = %(at)s, recovered_order_id = %(order_id)s, recovered_amount = %(amount)s
    WHERE id = (
        SELECT id FROM abandoned_carts
        WHERE cart_id = %(cart_id)s AND recovered_at IS NULL AND detected_at < %(at)s
        ORDER BY detected_at DESC LIMIT 1
    )
"""

CART_IDS = """
    SELECT cart_id FROM cart_events WHERE version = 1 AND cart_id > %s ORDER BY cart_id LIMIT %s
"""


def owned_cart(*, cart_id: UUID, caller: Caller) -> Cart:
    """Return a cart of the caller's, without a lock.

    Raises:
        CartNotFound: unknown, or not the caller's.
    """
    return find_cart(cart_id=cart_id, caller=caller)


def find_cart(*, cart_id: UUID, caller: Caller | None = None, lock: bool = False) -> Cart:
    """Return a cart, without ``caller`` anybody's; with ``lock`` it is locked until the transaction ends.

    Raises:
        CartNotFound: unknown, or not the caller's.
    """
    tail = "WHERE id = %s FOR UPDATE" if lock else "WHERE id = %s"
    found = rows.fetch(Cart, tail, [cart_id], using="cart")
    return _of(caller, next(iter(found), None), cart_id)


def owned_pair(*, target_id: UUID, source_id: UUID, caller: Caller, source_caller: Caller) -> tuple[Cart, Cart]:
    """Return two carts, locked in key order by one statement.

    Raises:
        CartNotFound: one is unknown, or not its caller's.
    """
    both = Cart.objects.select_for_update().filter(pk__in=[target_id, source_id]).order_by("pk")
    carts = {cart.id: cart for cart in both}
    target = _of(caller, carts.get(target_id), target_id)
    return target, _of(source_caller, carts.get(source_id), source_id)


def carts_by_id(ids: Sequence[UUID]) -> list[Cart]:
    """Return those of the carts that exist, in no order."""
    return list(Cart.objects.filter(pk__in=ids))


def carts_of(*, customer_id: UUID, before: UUID | None, limit: int) -> list[Cart]:
    """Return a customer's open carts, newest first, from behind ``before``."""
    carts = Cart.objects.filter(customer_id=customer_id, status="open").order_by("-id")
    return list((carts.filter(id__lt=before) if before else carts)[:limit])


def mark_recovered(*, cart_id: UUID, order_id: UUID, amount: Decimal, at: datetime) -> None:
    """Note on the latest open abandonment of a cart, if there is one, that the cart became an order after all."""
    with connections["cart"].cursor() as cursor:
        cursor.execute(RECOVERED, {"cart_id": cart_id, "order_id": order_id, "amount": amount, "at": at})


def history_of(*, cart_id: UUID, after: int, limit: int) -> list[Recorded]:
    """Return up to ``limit`` events of a cart, oldest first, from behind version ``after``."""
    rows = CartEvent.objects.filter(cart_id=cart_id, version__gt=after).order_by("version")[:limit]
    return [row.recorded for row in rows]


def merge_report(*, target_id: UUID, source_id: UUID) -> CartMerged:
    """Return what happened when ``source_id`` went into ``target_id``, which it did."""
    row = CartEvent.objects.get(cart_id=target_id, type=CartMerged.type, data__source_cart_id=str(source_id))
    event = row.recorded.event
    if not isinstance(event, CartMerged):
        raise TypeError(f"event {row.id} is no merge")
    return event


def known_prices(variant_ids: Sequence[UUID]) -> dict[UUID, Money]:
    """Return the prices that catalog announced last, for those variants whose price ever moved."""
    rows = VariantPrice.objects.filter(variant_id__in=variant_ids)
    return {row.variant_id: Money(row.price, row.currency) for row in rows}


def is_known_exhausted(coupon_code: str, *, since: datetime | None) -> bool:
    """Tell whether promotion announced, after ``since``, that the coupon has no use left."""
    return bool(since) and ExhaustedCoupon.objects.filter(code=coupon_code, exhausted_at__gt=since).exists()


@dataclass(frozen=True, kw_only=True)
class Revenue:
    """How many carts were abandoned, reminded of and paid for after all, and what that brought."""

    abandoned: int
    notified: int
    recovered: int
    amount: Decimal | None


def recovered_revenue(*, since: datetime) -> Revenue:
    """Return the revenue from carts that were abandoned after ``since``."""
    figures = AbandonedCart.objects.filter(detected_at__gte=since).aggregate(
        abandoned=Count("pk"),
        notified=Count("pk", filter=Q(notified=True)),
        recovered=Count("recovered_at"),
        amount=Sum("recovered_amount"),
    )
    return Revenue(**figures)


def logs_of(cart_ids: Sequence[UUID]) -> dict[UUID, list[Recorded]]:
    """Return the whole logs of some carts by one statement."""
    rows = CartEvent.objects.filter(cart_id__in=cart_ids).order_by("cart_id", "version")
    return {cart_id: [row.recorded for row in log] for cart_id, log in groupby(rows, key=lambda row: row.cart_id)}


def cart_ids_after(last: UUID, *, limit: int) -> list[UUID]:
    """Return the next ids of all carts that ever were, in order, from behind ``last``."""
    with connections["cart"].cursor() as cursor:
        cursor.execute(CART_IDS, [last, limit])
        return [cart_id for (cart_id,) in cursor.fetchall()]


def take_reminders(contacts: Sequence[str], *, now: datetime, period: timedelta) -> set[str]:
    """Return those of the sorted ``contacts`` who had no reminder within ``period``, and note that they have one now.

    Of two parallel calls only one gets a contact.
    """
    with connections["cart"].cursor() as cursor:
        cursor.execute(TAKE_REMINDERS, {"contacts": list(contacts), "now": now, "before": now - period})
        return {contact for (contact,) in cursor.fetchall()}


def store_variant_price(*, variant_id: UUID, price: Money, version: int, changed_at: datetime) -> None:
    """Keep a variant's price unless a later version is known."""
    with connections["cart"].cursor() as cursor:
        cursor.execute(STORE_VARIANT_PRICE, [variant_id, price.amount, price.currency, version, changed_at])


def store_exhausted_coupon(*, coupon_id: UUID, code: str, version: int, exhausted_at: datetime) -> None:
    """Keep the latest moment at which a coupon ran out."""
    with connections["cart"].cursor() as cursor:
        cursor.execute(STORE_EXHAUSTED_COUPON, [code, coupon_id, version, exhausted_at])


def blank_emails(cart_ids: Sequence[UUID], *, address: str) -> None:
    """Blank the e-mail in the events and the rows of these carts, which the caller has locked, and ``address`` in the
    events of any other, where another one has taken its place since. Reads all events."""
    with connections["cart"].cursor() as cursor:
        cursor.execute(BLANK_EMAILS_IN_EVENTS, {"carts": list(cart_ids), "address": address or None})
    Cart.objects.filter(pk__in=cart_ids).update(email="")


def _of(caller: Caller | None, cart: Cart | None, cart_id: UUID) -> Cart:
    if cart is None or (caller and not caller.may_use(cart.state)):
        raise CartNotFound("Carrinho não encontrado.", cart_id=str(cart_id))
    return cart
