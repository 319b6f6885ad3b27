"""``manage.py db``: the embedded PostgreSQL."""

import os
import subprocess
from argparse import REMAINDER
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ecommerce.db.configuration import NoAdministrator, administrator_dsn, context_databases
from ecommerce.db.embedded import Server, ServerError, locate


class Command(BaseCommand):
    help = "Start, stop, ask or enter the embedded PostgreSQL."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "psql"])
        parser.add_argument("arguments", nargs=REMAINDER, help="for psql: its own arguments, such as -c 'SELECT 1'")

    def handle(self, *args: Any, **options: Any) -> None:
        server = Server(locate(settings.VAR_DIR, os.environ))
        verbosity: int = options["verbosity"]
        if not self._in_use(server) and options["action"] != "psql":
            self.stdout.write("The embedded PostgreSQL is not in use: the environment names other databases.")
            return
        try:
            if options["action"] == "start":
                self._start(server, verbosity)
            elif options["action"] == "stop":
                self._say(verbosity, "Stopped." if server.stop() else "It was not running.")
            elif options["action"] == "status":
                self._status(server)
            else:
                self._psql(server, options["arguments"])
        except (ServerError, NoAdministrator) as error:
            raise CommandError(str(error)) from error

    def _start(self, server: Server, verbosity: int) -> None:
        for note in server.place.notes:
            self._say(verbosity, note)
        state = "started" if server.start() else "is running already"
        self._say(verbosity, f"PostgreSQL {state}: socket in {server.place.sockets}")

    def _status(self, server: Server) -> None:
        if not server.is_ready():
            raise CommandError(f"PostgreSQL is down (data in {server.place.data}). Start it with: manage.py db start")
        self.stdout.write(f"PostgreSQL accepts connections: data in {server.place.data}")

    def _psql(self, server: Server, arguments: list[str]) -> None:
        first = next(iter(context_databases().values()))
        dsn = administrator_dsn(dbname=first["NAME"])
        done = subprocess.run([server.program("psql"), dsn, *arguments], check=False)  # noqa: S603
        if done.returncode:
            raise CommandError(f"psql ended with {done.returncode}", returncode=done.returncode)

    def _say(self, verbosity: int, text: str) -> None:
        if verbosity:
            self.stdout.write(text)

    @staticmethod
    def _in_use(server: Server) -> bool:
        return any(database["HOST"] == str(server.place.sockets) for database in context_databases().values())
