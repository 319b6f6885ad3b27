"""What beat runs for catalog."""

from celery import shared_task

from contexts.catalog.usecases import read_model, reservations
from ecommerce import clock

BATCHES = 50


@shared_task(name="catalog.release_expired_reservations")
def release_expired_reservations() -> int:
    """Release the reservations nobody paid for, in small transactions; return how many."""
    released = 0
    for _ in range(BATCHES):
        batch = reservations.release_expired_reservations(now=clock.now())
        released += batch
        if not batch:
            break
    return released


@shared_task(name="catalog.refresh_best_sellers")
def refresh_best_sellers() -> int:
    """Count sales anew and show them; return how many products changed."""
    return read_model.refresh_best_sellers()
