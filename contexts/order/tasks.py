"""Background jobs of orders."""

import time
from datetime import timedelta
from threading import Lock

from celery import shared_task

from contexts.order.usecases.cases import open_cases_of_webhooks, show_open_cases
from contexts.order.usecases.look_again import ask_about_open_payments
from contexts.order.usecases.receive_webhook import process_webhooks
from contexts.order.usecases.reconcile import gateways_in_use, reconcile
from ecommerce import clock
from ecommerce.http import idempotency

LONGEST_SECONDS = 20.0
LATELY = timedelta(hours=26)
"""More than a day: every charge is compared many times, so that a difference is seen again."""
MONTH = timedelta(days=32)
_one_at_a_time = Lock()
"""A gateway that is slow to answer must not hold all threads of a worker."""


@shared_task(name="order.process_webhooks")
def process_stored_webhooks() -> int:
    """Work off stored webhooks until none is due, for at most ``LONGEST_SECONDS`` and a batch; return how many.

    Safe to run in parallel; a process runs it once at a time.
    """
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    processed, started = 0, time.monotonic()
    try:
        while time.monotonic() - started < LONGEST_SECONDS and (count := process_webhooks(now=clock.now())):
            processed += count
    finally:
        _one_at_a_time.release()
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


@shared_task(name="order.reconcile_payments")
def reconcile_payments() -> int:
    """Compare the gateways' books of the last day with ours and open what cases there are; return how many differ.

    Safe to run in parallel.
    """
    open_cases_of_webhooks(now=clock.now())
    return _reconcile(LATELY)


@shared_task(name="order.reconcile_month")
def reconcile_month() -> int:
    """As ``reconcile_payments``, for what was charged weeks ago."""
    return _reconcile(MONTH)


def _reconcile(back: timedelta) -> int:
    now = clock.now()
    reports = [
        reconcile(gateway=gateway, since=now - back, until=now, now=now)
        for gateway in gateways_in_use(since=now - back)
    ]
    show_open_cases()
    return sum(len(report.findings) for report in reports)
