from datetime import UTC, datetime, timedelta

import pytest

from ecommerce.outbox.archive import AHEAD, maintain, name_of, partitions

pytestmark = pytest.mark.django_db(databases=["order"])
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_partitions_are_made_ahead_and_dropped_after_their_retention() -> None:
    maintain("order", now=NOW, keep_days=30)
    assert list(partitions("order").values()) == [NOW.date() + timedelta(days=n) for n in range(AHEAD + 1)]

    assert maintain("order", now=NOW + timedelta(days=31), keep_days=30) == [name_of(NOW.date())]
    assert NOW.date() not in partitions("order").values()


def test_running_it_twice_a_day_changes_nothing() -> None:
    maintain("order", now=NOW, keep_days=30)
    before = partitions("order")

    assert maintain("order", now=NOW, keep_days=30) == []
    assert partitions("order") == before
