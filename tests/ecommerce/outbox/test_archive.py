from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connections

from ecommerce.db.configuration import connection_parameters
from ecommerce.ids import new_id
from ecommerce.outbox import archive
from ecommerce.outbox.archive import AHEAD, maintain, name_of, partitions
from ecommerce.outbox.models import ArchivedEvent

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


@pytest.fixture
def no_partitions(transactional_db: None) -> Iterator[None]:
    """What a test commits stays, but for what Django's flush empties."""
    yield
    with connections["order"].cursor() as cursor:
        for name in partitions("order"):
            cursor.execute(f"DROP TABLE {name}")


@pytest.mark.parametrize("made_before", [False, True])
@pytest.mark.usefixtures("no_partitions")
def test_maintenance_gives_way_to_a_long_read_and_does_its_work_the_next_time(
    monkeypatch: pytest.MonkeyPatch, made_before: bool
) -> None:
    monkeypatch.setattr(archive, "GIVE_WAY", "SET LOCAL lock_timeout = '50ms'")
    later = NOW + timedelta(days=31)
    maintain("order", now=NOW, keep_days=30)
    if made_before:
        maintain("order", now=later, keep_days=9999)
    before = partitions("order")
    with psycopg.connect(**connection_parameters(connections["order"].settings_dict)) as reader:
        reader.execute("SELECT count(*) FROM outbox_archive")
        assert maintain("order", now=later, keep_days=30) == []
        assert partitions("order") == before

    assert maintain("order", now=later, keep_days=30) == [name_of(NOW.date())]


def test_rows_of_a_day_that_had_no_partition_move_into_it() -> None:
    def archived(number: int, at: datetime) -> None:
        ArchivedEvent.objects.using("order").create(
            id=number, event_id=new_id(), aggregate_type="order", aggregate_id="x", aggregate_version=number,
            event_type="order.placed.v1", payload={}, headers={}, attempts=1, origin="app", created_at=at,
            published_at=at,
        )  # fmt: skip

    def count(table: str) -> int:
        with connections["order"].cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            return int(cursor.fetchone()[0])

    day = datetime(2031, 5, 2, 12, tzinfo=UTC)
    archived(1, day)
    archived(2, day - timedelta(days=1))
    assert count("outbox_archive_default") == 2

    maintain("order", now=day, keep_days=9999)

    assert (count("outbox_archive_default"), count(name_of(day.date())), count("outbox_archive")) == (1, 1, 2)
