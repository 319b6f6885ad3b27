"""``manage.py service_keys``: the Ed25519 keys by which services know each other."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ecommerce.calls.keys import create
from ecommerce.topology import current


class Command(BaseCommand):
    help = "Make a directory of keys for each service: its own private key, and the public keys of all. Safe to repeat."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="where the directories of the services go")
        parser.add_argument("services", nargs="*", help="names such as cart or cart+promotion; default: every context")

    def handle(self, *args: Any, **options: Any) -> None:
        known = {context.name for context in current().contexts}
        services = options["services"] or sorted(known)
        if unknown := {part for service in services for part in service.split("+")} - known:
            raise CommandError(f"No such context: {', '.join(sorted(unknown))}")
        for path in create(options["directory"], services):
            self.stdout.write(f"{path} written")
