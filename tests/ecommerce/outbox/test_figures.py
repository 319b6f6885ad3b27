import time
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connections

from ecommerce.ids import new_id
from ecommerce.outbox.figures import figures

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def test_the_archive_is_counted_by_the_estimate_of_postgresql(publish: Callable[..., UUID]) -> None:
    before = figures("order")
    publish()
    with connections["order"].cursor() as cursor:
        for number in (1, 2, 3):
            cursor.execute(
                "INSERT INTO outbox_archive SELECT %s, %s, 'order', %s, 1, 'order.placed.v1', '{}', '{}', 1, 'app',"
                " now(), now()",
                [number, new_id(), str(new_id())],
            )

    after = figures("order")

    assert (before.pending, before.oldest) == (0, None)
    assert (after.pending, after.blocked, after.parked) == (1, 0, 0)
    assert after.oldest is not None
    assert 0 <= after.oldest < 60
    assert analysed() == 3


def analysed() -> int:
    """Return how many rows the archive is taken to hold once PostgreSQL has counted it. Sessions of tests before tell
    of their rows as late as ten seconds after: count again until it says what is there."""
    deadline = time.monotonic() + 20
    while True:
        with connections["order"].cursor() as cursor:
            cursor.execute("ANALYZE outbox_archive")
            cursor.execute("SELECT count(*) FROM outbox_archive")
            there: int = cursor.fetchone()[0]
        if (known := figures("order").archived) == there or time.monotonic() > deadline:
            return known
        time.sleep(0.1)
