"""Test databases: as many as the configuration has databases, each bootstrapped like a real one.

Django takes aliases of one database for one alias and would migrate only the first. Here every alias has a signature of
its own, so that each is migrated, while the database behind them is created with the first and dropped with the last.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import connections
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.db.backends.postgresql import creation
from psycopg import sql

from ecommerce.db.bootstrap import bootstrap_database, connect_administrator, drop_database


class DatabaseCreation(creation.DatabaseCreation):
    in_use: ClassVar[dict[tuple[str, str, str], set[str]]] = {}
    """The aliases that use each test database (host, port, name) of this process."""

    def test_db_signature(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*super().test_db_signature(), self.connection.alias)

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:
        """Create the database unless another alias did. One left behind by an earlier run is replaced unasked."""
        name = self._get_test_db_name()
        self.connection.close_pool()
        aliases = self.in_use.setdefault(self._place(name), set())
        if not aliases:
            if not keepdb:
                drop_database(self.connection.settings_dict, name)
            bootstrap_database(self._tenants(), name=name)
            self._forgo_durability(name)
        aliases.add(self.connection.alias)
        return name

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        self.connection.close_pool()
        aliases = self.in_use.get(self._place(test_database_name), set())
        aliases.discard(self.connection.alias)
        if not aliases:
            drop_database(self.connection.settings_dict, test_database_name)

    def _tenants(self) -> list[dict[str, Any]]:
        """The configuration of everybody who shares this test database, PGMQ included."""
        mine = self._place(self._get_test_db_name())
        others = [other.creation for other in connections.all() if isinstance(other.creation, DatabaseCreation)]
        same = {other.connection.alias: other for other in others if other._place(other._get_test_db_name()) == mine}
        tenants = [other.connection.settings_dict for other in same.values()]
        broker = settings.BROKER_DATABASE
        return [*tenants, broker] if broker and same.keys() & set(broker["SHARED_WITH"]) else tenants

    def _get_test_db_name(self) -> str:
        settings = self.connection.settings_dict
        return settings["TEST"]["NAME"] or f"{TEST_DATABASE_PREFIX}{settings['NAME']}"

    def _place(self, name: str) -> tuple[str, str, str]:
        settings = self.connection.settings_dict
        return settings["HOST"], settings["PORT"], name

    def _forgo_durability(self, name: str) -> None:
        with connect_administrator(self.connection.settings_dict, name) as administrator:
            forgo = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
            administrator.execute(forgo.format(sql.Identifier(name)))
