"""The archive of published events: one table partition per day, dropped when its retention is over."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import structlog
from django.db import connections
from psycopg import sql

AHEAD = 3
"""Days for which partitions are made in advance."""

log = structlog.get_logger(__name__)


def maintain(alias: str, *, now: datetime, keep_days: int) -> list[str]:
    """Make the partitions of the coming days and drop those older than ``keep_days``; return the dropped names.

    Idempotent; run it daily. Rows of a day without a partition go to the default partition and lose nothing.
    """
    today = now.date()
    with connections[alias].cursor() as cursor:
        existing = partitions(alias)
        for day in (today + timedelta(days=offset) for offset in range(AHEAD + 1)):
            if name_of(day) not in existing:
                cursor.execute(_create(day))
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


def _create(day: date) -> sql.Composed:
    """Build the DDL of one day. IF NOT EXISTS: another worker may be doing the same."""
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF outbox_archive FOR VALUES FROM ({}) TO ({})").format(
        sql.Identifier(name_of(day)),
        sql.Literal(f"{day}T00:00:00Z"),
        sql.Literal(f"{day + timedelta(days=1)}T00:00:00Z"),
    )
