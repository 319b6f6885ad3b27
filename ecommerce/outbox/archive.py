"""The archive of published events: one table partition per day, dropped when its retention is over."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.db import connections, transaction
from psycopg import sql

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

log = structlog.get_logger(__name__)


def maintain(alias: str, *, now: datetime, keep_days: int) -> list[str]:
    """Make the partitions of the coming days and drop those older than ``keep_days``; return the dropped names.

    Idempotent; run it daily. Rows of a day without a partition go to the default partition; they move when the day gets
    one, while relays wait.
    """
    today = now.date()
    with connections[alias].cursor() as cursor:
        existing = partitions(alias)
        for day in (today + timedelta(days=offset) for offset in range(AHEAD + 1)):
            if name_of(day) not in existing:
                with transaction.atomic(using=alias):
                    _make(cursor, day)
        dropped = [name for name, day in existing.items() if day < today - timedelta(days=keep_days)]
        for name in dropped:
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            log.info("archive_partition_dropped", context=alias, partition=name)
    return dropped


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
