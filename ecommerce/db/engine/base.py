"""Django's PostgreSQL backend with test databases that several aliases share, and pools that survive a fork."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from django.db import connections
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from ecommerce.db.engine.creation import DatabaseCreation


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = DatabaseCreation
    _connection_pools: ClassVar[dict[str, ConnectionPool]] = {}
    """Django's own attribute, by alias."""


def close_pools() -> None:
    """Close every pool of this process. A worker does so before it exits, or it waits for the pools' threads."""
    while DatabaseWrapper._connection_pools:
        _, pool = DatabaseWrapper._connection_pools.popitem()
        pool.close()


_inherited: list[Any] = []
"""Pools and connections of the parent process. Kept alive, because closing them would end the parent's sessions."""


def _forget_inherited_connections() -> None:
    _inherited.append(dict(DatabaseWrapper._connection_pools))
    DatabaseWrapper._connection_pools.clear()
    for connection in connections.all(initialized_only=True):
        _inherited.append(connection.connection)
        connection.connection = None


os.register_at_fork(after_in_child=_forget_inherited_connections)
