"""Carts left alone: found, reminded of within limits, brought back, or ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import Q

from contexts.cart.domain import rules
from contexts.cart.domain.access import digest_of
from contexts.cart.domain.state import Status
from contexts.cart.events import CartAbandoned
from contexts.cart.models import AbandonedCart, Cart, Reminder
from contexts.cart.queries import find_cart, mark_recovered, take_reminders
from contexts.cart.usecases.lifecycle import new_token
from ecommerce.errors import Conflict, NotFound
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

SALT = "cart.recovery"
REMINDER_PERIOD = timedelta(days=7)
"""A person is reminded of at most one cart in this time."""


class RecoveryLinkInvalid(NotFound):
    """The link is forged, mutilated or too old."""

    code = "recovery_link_invalid"


class RecoveryLinkUsed(Conflict):
    """The link restored the cart once already."""

    code = "recovery_link_used"


def detect_abandoned(*, now: datetime, inactive_for: timedelta, limit: int = 100) -> int:
    """Mark up to ``limit`` open carts with lines, a contact and consent that nobody touched for ``inactive_for``, and
    ask for a reminder unless that person had one in the last seven days. Return how many were marked.

    Six statements however many carts. Parallel runs pass over each other's carts.
    """
    left_alone = (
        Cart.objects.select_for_update(skip_locked=True)
        .filter(status=Status.OPEN, marketing_consent=True, abandoned_at__isnull=True, pieces__gt=0)
        .filter(Q(customer_id__isnull=False) | ~Q(email=""), last_activity_at__lte=now - inactive_for)
        .order_by("last_activity_at")[:limit]
    )
    with unit_of_work("cart") as work:
        carts = list(left_alone)
        if carts:
            _mark(work, carts, now=now)
    return len(carts)


def _mark(work: UnitOfWork, carts: Sequence[Cart], *, now: datetime) -> None:
    newest_by_contact = {_contact(cart): cart.id for cart in carts}
    contacts = take_reminders(sorted(newest_by_contact), now=now, period=REMINDER_PERIOD)
    notified = {newest_by_contact[contact] for contact in contacts}
    last_activity = {cart.id: cart.last_activity_at for cart in carts}
    Cart.record_all(
        [(cart, rules.abandon(cart.state, notified=cart.id in notified)) for cart in carts], actor="system", now=now
    )
    rows = [
        AbandonedCart(
            id=new_id(),
            cart_id=cart.id,
            cart_version=cart.version,
            customer_id=cart.customer_id,
            detected_at=now,
            notified=cart.id in notified,
            pieces=cart.pieces,
            subtotal_amount=cart.subtotal_amount,
            currency=cart.currency,
        )
        for cart in carts
    ]
    AbandonedCart.objects.bulk_create(rows)
    for cart, row in zip(carts, rows, strict=True):
        if row.notified:
            event = CartAbandoned(
                cart_id=cart.id,
                last_activity_at=last_activity[cart.id],
                subtotal=cart.subtotal,
                pieces=cart.pieces,
                recovery_path=recovery_path(row),
            )
            work.publish(event, subject=cart.id, version=cart.version)


def recover_cart(*, link_token: str, now: datetime) -> tuple[Cart, str]:
    """Open an abandoned cart to whoever holds its link, and return it with a token for that device.

    The link works once. The token of the device that was left stays good. Four statements.

    Raises:
        RecoveryLinkInvalid: forged or too old.
        RecoveryLinkUsed: used before.
        CartChanged: the cart is not open any more; the link stays unused.
    """
    cart_id, abandoned_id = _read_link(link_token)
    token = new_token()
    with unit_of_work("cart"):
        cart = find_cart(cart_id=cart_id, lock=True)
        cart.record(rules.recover(cart.state, token_hash=digest_of(token)), actor="guest", now=now)
        unused = AbandonedCart.objects.filter(pk=abandoned_id, cart_id=cart_id, link_used_at__isnull=True)
        if not unused.update(link_used_at=now):
            raise RecoveryLinkUsed("Este link já foi usado.")
    return cart, token


def record_recovered_order(*, cart_id: UUID | None, order_id: UUID, amount: Money, confirmed_at: datetime) -> None:
    """Note that an abandoned cart was paid for after all, on its latest abandonment. Idempotent per order."""
    if cart_id is None:
        return
    with unit_of_work("cart"):
        mark_recovered(cart_id=cart_id, order_id=order_id, amount=amount.amount, at=confirmed_at)


def expire_idle(*, now: datetime, idle_for: timedelta, empty_for: timedelta, limit: int = 500) -> int:
    """End up to ``limit`` open carts that nobody touched for ``idle_for``, or for ``empty_for`` if nothing is in them,
    and return how many. A converted cart has money attached and never ends this way."""
    idle = (
        Cart.objects.select_for_update(skip_locked=True)
        .filter(status=Status.OPEN)
        .filter(Q(last_activity_at__lte=now - idle_for) | Q(pieces=0, last_activity_at__lte=now - empty_for))
        .order_by("last_activity_at")[:limit]
    )
    with unit_of_work("cart"):
        carts = list(idle)
        Cart.record_all([(cart, rules.expire(cart.state)) for cart in carts], actor="system", now=now)
        Reminder.objects.filter(reminded_at__lte=now - REMINDER_PERIOD).delete()
    return len(carts)


def recovery_path(abandoned: AbandonedCart) -> str:
    """Return the path, under the public URL, of the page that posts the token back."""
    token = signing.dumps([str(abandoned.cart_id), str(abandoned.id)], salt=SALT)
    return f"{settings.CART_RECOVERY_PATH}?{urlencode({'token': token})}"


def _read_link(token: str) -> tuple[UUID, UUID]:
    try:
        cart_id, abandoned_id = signing.loads(token, salt=SALT, max_age=settings.CART_RECOVERY_LINK_LIFETIME)
    except signing.BadSignature as error:
        raise RecoveryLinkInvalid("Este link não é válido ou expirou.") from error
    return UUID(cart_id), UUID(abandoned_id)


def _contact(cart: Cart) -> str:
    return digest_of(f"customer:{cart.customer_id}" if cart.customer_id else f"email:{cart.email}")
