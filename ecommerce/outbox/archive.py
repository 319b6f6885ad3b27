"""The archive of published events: one table partition per day, dropped when its retention is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, connections, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

COPY_SHAPE = "CREATE TABLE {name} (LIKE outbox_archive INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
MOVE = """
    WITH moved AS (
        DELETE FROM outbox_archive_default WHERE published_at >= {start} AND published_at < {end} RETURNING *
    )
    INSERT INTO {name} SELECT * FROM moved
"""
ATTACH = "ALTER TABLE outbox_archive ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
AHEAD = 3
"""Days for which partitions are made in advance."""
GIVE_WAY = "SET LOCAL lock_timeout = '2s'"
"""Every relay that archives queues up behind whoever waits for the whole archive, as long as somebody reads it."""

log = structlog.get_logger(__name__)


def maintain(alias: str, *, now: datetime, keep_days: int) -> list[str]:
    """Make the partitions of the coming days and drop those older than ``keep_days``; return the dropped names.

    Idempotent; run it daily at least. Rows of a day without a partition go to the default partition; they move when the
    day gets one, while relays wait. When somebody has been reading the archive for long, what is left to do is left to
    the next time.
    """
    today = now.date()
    existing, dropped = partitions(alias), []
    try:
        for day in (today + timedelta(days=offset) for offset in range(AHEAD + 1)):
            if name_of(day) not in existing:
                with _locking(alias) as cursor:
                    _make(cursor, day)
        for name in (name for name, day in existing.items() if day < today - timedelta(days=keep_days)):
            with _locking(alias) as cursor:
                cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            dropped.append(name)
            log.info("archive_partition_dropped", context=alias, partition=name)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.warning("archive_in_use", context=alias, error=str(error))
    return dropped


@contextmanager
def _locking(alias: str) -> Iterator[Any]:
    """Open a transaction that waits for a lock two seconds at most."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(GIVE_WAY)
        yield cursor


def partitions(alias: str) -> dict[str, date]:
    """Return the day partitions of the archive, by name."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'outbox_archive'::regclass AND c.relname <> 'outbox_archive_default'"
        )
        names = [row[0] for row in cursor.fetchall()]
    return {name: datetime.strptime(name.removeprefix("outbox_archive_"), "%Y%m%d").date() for name in names}


def name_of(day: date) -> str:
    """Return the name of the partition that holds ``day`` (UTC)."""
    return f"outbox_archive_{day:%Y%m%d}"


def _make(cursor: Any, day: date) -> None:
    """Make the partition of one day and move what the default partition holds of it, in an open transaction. Another
    worker may have been first."""
    cursor.execute("LOCK TABLE outbox_archive IN ACCESS EXCLUSIVE MODE")
    cursor.execute("SELECT to_regclass(%s::text)", [name_of(day)])
    if cursor.fetchone()[0] is not None:
        return
    names = {
        "name": sql.Identifier(name_of(day)),
        "start": sql.Literal(f"{day}T00:00:00Z"),
        "end": sql.Literal(f"{day + timedelta(days=1)}T00:00:00Z"),
    }
    for statement in (COPY_SHAPE, MOVE, ATTACH):
        cursor.execute(sql.SQL(statement).format(**names))
