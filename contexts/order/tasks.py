"""Background jobs of orders."""

import time

from celery import shared_task

from contexts.order.usecases.look_again import ask_about_open_payments
from contexts.order.usecases.receive_webhook import process_webhooks
from ecommerce import clock
from ecommerce.http import idempotency

LONGEST_SECONDS = 20.0


@shared_task(name="order.process_webhooks")
def process_stored_webhooks() -> int:
    """Work off stored webhooks until none is due, for at most ``LONGEST_SECONDS``; return how many.

    Safe to run in parallel.
    """
    processed, started = 0, time.monotonic()
    while time.monotonic() - started < LONGEST_SECONDS and (count := process_webhooks(now=clock.now())):
        processed += count
    return processed


@shared_task(name="order.ask_about_open_payments")
def ask_gateways() -> int:
    """Ask about payments whose webhook may have been lost; return how many. Safe to run in parallel."""
    return ask_about_open_payments(now=clock.now())


@shared_task(name="order.purge_idempotency_keys")
def purge_idempotency_keys() -> int:
    """Delete idempotency keys past their time; return how many."""
    purged = 0
    while deleted := idempotency.purge("order"):
        purged += deleted
    return purged
