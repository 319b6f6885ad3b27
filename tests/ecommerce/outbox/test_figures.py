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
        cursor.execute("SELECT pg_stat_force_next_flush()")

    after = figures("order")

    assert (before.pending, before.oldest) == (0, None)
    assert (after.pending, after.blocked, after.parked) == (1, 0, 0)
    assert after.oldest is not None
    assert 0 <= after.oldest < 60
    assert after.archived - before.archived == 3
