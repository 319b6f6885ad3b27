"""Django's PostgreSQL backend with test databases that several aliases share, and pools that survive a fork."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import psycopg
from django.db import connections
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg_pool import ConnectionPool

from ecommerce.db.engine.creation import DatabaseCreation
from ecommerce.db.engine.cursor import Cursor


class ErrorWrapper(DatabaseErrorWrapper):
    """Django's translation of the driver's errors, which also gives up a connection that holds an outdated plan.

    When the type of a column changes, a plan that was kept for it fails for good, outside transactions at least. The
    driver's connection is closed, so that the pool replaces it as soon as the request ends.
    """

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if isinstance(exc_value, psycopg.errors.FeatureNotSupported) and "cached plan" in str(exc_value):
            self.wrapper.connection.close()  # type: ignore[attr-defined]
        super().__exit__(exc_type, exc_value, traceback)


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = DatabaseCreation
    _connection_pools: ClassVar[dict[str, ConnectionPool]] = {}
    """Django's own attribute, by alias."""

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "cursor_factory": Cursor}

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return ErrorWrapper(self)


_inherited: list[Any] = []
"""Pools and connections of the parent process. Kept alive, because closing them would end the parent's sessions."""


def _forget_inherited_connections() -> None:
    _inherited.append(dict(DatabaseWrapper._connection_pools))
    DatabaseWrapper._connection_pools.clear()
    for connection in connections.all(initialized_only=True):
        _inherited.append(connection.connection)
        connection.connection = None


os.register_at_fork(after_in_child=_forget_inherited_connections)
