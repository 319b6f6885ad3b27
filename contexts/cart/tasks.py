"""Jobs of cart."""

from celery import shared_task
from django.conf import settings

from contexts.cart.usecases import abandonment
from ecommerce.clock import now

ROUNDS = 20
"""A run handles at most this many batches; the next one goes on."""


@shared_task(name="cart.detect_abandoned")
def detect_abandoned() -> None:
    """Find carts left alone and ask for reminders; once a minute."""
    for _ in range(ROUNDS):
        if not abandonment.detect_abandoned(now=now(), inactive_for=settings.CART_ABANDONED_AFTER):
            return


@shared_task(name="cart.expire_idle")
def expire_idle() -> None:
    """End carts that nobody will come back to; once an hour."""
    for _ in range(ROUNDS):
        if not abandonment.expire_idle(
            now=now(), idle_for=settings.CART_EXPIRES_AFTER, empty_for=settings.CART_EMPTY_EXPIRES_AFTER
        ):
            return
