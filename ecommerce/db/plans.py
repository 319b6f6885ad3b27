"""When a statement's plan is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.utils import CursorWrapper


@contextmanager
def planned_each_time(alias: str) -> Iterator[CursorWrapper]:
    """Give a cursor whose statements PostgreSQL plans for the data that is there.

    For tables that work as queues, empty now and full of a million rows a moment later: a plan that the connection kept
    from before would read them from end to end.
    """
    connection = connections[alias]
    with connection.cursor() as cursor:
        driver = connection.connection
        kept, driver.prepare_threshold = driver.prepare_threshold, None
        try:
            yield cursor
        finally:
            driver.prepare_threshold = kept
