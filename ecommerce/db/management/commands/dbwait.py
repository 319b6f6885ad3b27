"""``manage.py dbwait``: hold a start-up until the databases are there."""

import time
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections
from psycopg.conninfo import make_conninfo
from psycopg.pq import Ping

from ecommerce.db.configuration import connection_parameters
from ecommerce.db.migration import missing_migrations
from ecommerce.topology import local_aliases

PAUSE = 0.2


class Command(BaseCommand):
    help = "Wait until the databases of all local contexts accept connections."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--timeout", type=float, default=60, help="seconds (default: 60)")
        parser.add_argument("--migrated", action="store_true", help="wait until no migration is missing, too")

    def handle(self, *args: Any, **options: Any) -> None:
        deadline = time.monotonic() + options["timeout"]
        for alias in local_aliases():
            while reason := self._obstacle(alias, migrated=options["migrated"]):
                if time.monotonic() > deadline:
                    raise CommandError(f"{alias}: {reason} after {options['timeout']:g} s")
                time.sleep(PAUSE)

    def _obstacle(self, alias: str, *, migrated: bool) -> str:
        """Return what is still in the way, empty when nothing is."""
        connection = connections[alias]
        parameters = {**connection_parameters(connection.settings_dict), "connect_timeout": 3}
        answer = psycopg.pq.PGconn.ping(make_conninfo("", **parameters).encode())
        if answer != Ping.OK:
            return f"the server says {Ping(answer).name}"
        if not migrated:
            return ""
        try:
            psycopg.connect(**parameters).close()
            missing = missing_migrations(alias)
        except (DatabaseError, psycopg.Error) as error:
            return str(error)
        finally:
            connection.close()
        return f"{len(missing)} migrations are missing" if missing else ""
