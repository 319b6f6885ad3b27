"""Background jobs of orders."""

from celery import shared_task

from contexts.order.usecases.receive_webhook import process_webhooks
from ecommerce import clock
from ecommerce.http import idempotency


@shared_task(name="order.process_webhooks")
def process_stored_webhooks() -> int:
    """Work off stored webhooks; return how many. Safe to run in parallel."""
    return process_webhooks(now=clock.now())


@shared_task(name="order.purge_idempotency_keys")
def purge_idempotency_keys() -> int:
    """Delete idempotency keys past their time; return how many."""
    return idempotency.purge("order")
