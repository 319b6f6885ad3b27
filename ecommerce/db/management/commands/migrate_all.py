"""``manage.py migrate_all``: migrate every local context in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from ecommerce.db.configuration import connection_parameters
from ecommerce.topology import local_aliases

LOCK = 0x6D696772
"""Advisory lock in each database: of several processes that migrate at once, one works and the others find it done."""
TRY_LOCK = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
RETRY_SECONDS = 0.2


class Command(BaseCommand):
    help = "Migrate all local contexts, the one with accounts last: it also records everybody's permissions."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        verbosity: int = options["verbosity"]
        for alias in sorted(local_aliases(), key=lambda alias: alias == settings.DEFAULT_APP_CONTEXT):
            try:
                with alone(alias):
                    call_command("migrate", database=alias, interactive=False, verbosity=max(verbosity - 1, 0))
            except (DatabaseError, psycopg.Error) as error:
                raise CommandError(
                    f"{alias}: {error}\nA missing role or schema is made by: manage.py bootstrap"
                ) from error
            if verbosity:
                self.stdout.write(f"{alias}: up to date")


@contextmanager
def alone(alias: str) -> Iterator[None]:
    """Hold the migration lock of a database, on a connection of its own, waiting for whoever has it.

    Asked for again and again: a statement that waited for it would keep an index from being built concurrently for
    ever, because that waits for every statement that began before.
    """
    parameters = connection_parameters(connections[alias].settings_dict)
    with psycopg.connect(**parameters, autocommit=True) as connection:
        while connection.execute(TRY_LOCK, [LOCK, alias]).fetchone() != (True,):
            time.sleep(RETRY_SECONDS)
        yield
