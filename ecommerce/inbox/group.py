"""One transaction for the units of work of many messages.

A commit, and what goes with it, costs more than the effect of most events. So the consumer lets the units of work of a
batch share one transaction. Each is still one action: it knows nothing of the others, and should any of them fail, the
transaction is given up and each message is handled by itself.

The statements go to the database as a pipeline: one whose result nobody looks at is not waited for. If it fails, that
shows later, at the next result or at the end, and ends the group all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.db import connections, transaction

LOCK_MILLISECONDS = 200
"""How long a group waits for a row. It takes its rows in the order of its messages, not in the order of keys that
single actions keep to, so it may stand in a circle with one of them. It gives way before PostgreSQL looks for a victim,
which it does after a second: never at the cost of a customer's request."""
YIELD = f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}"


class GroupDoomed(Exception):
    """A unit of work of the group failed, and its handler went on as if nothing had been written."""


@dataclass
class Group:
    alias: str
    in_unit: bool = False
    doomed: bool = False


_group: ContextVar[Group | None] = ContextVar("inbox_group", default=None)


@contextmanager
def grouped(alias: str) -> Iterator[None]:
    """Let the units of work on ``alias`` within the block share one transaction, which commits when the block ends.

    Raises:
        GroupDoomed: nothing was kept.
        OperationalError: somebody else held a row for too long; nothing was kept. Django's when a result was fetched,
            otherwise the driver's: what comes out of the pipeline later, nobody translates.
    """
    group = Group(alias)
    with transaction.atomic(using=alias, durable=True):
        with connections[alias].cursor() as cursor:
            cursor.execute(YIELD)
        token = _group.set(group)
        try:
            with connections[alias].connection.pipeline():
                yield
        finally:
            _group.reset(token)
        if group.doomed:
            raise GroupDoomed(f"a unit of work on {alias} failed")


@contextmanager
def unit(alias: str) -> Iterator[None]:
    """Open what one unit of work runs in: a transaction of its own, or its turn in that of the group.

    Raises:
        RuntimeError: another unit of work, or any transaction on ``alias``, is open.
    """
    group = _group.get()
    if group is None or group.alias != alias:
        with transaction.atomic(using=alias, durable=True):
            yield
        return
    if group.in_unit:
        raise RuntimeError(f"a unit of work on {alias} is open already")
    group.in_unit = True
    try:
        yield
    except BaseException:
        group.doomed = True
        raise
    finally:
        group.in_unit = False
