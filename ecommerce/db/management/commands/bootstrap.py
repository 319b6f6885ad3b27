"""``manage.py bootstrap``: databases, roles, schemas, extensions and queues. Needs an administrator; safe to repeat."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from ecommerce.db.bootstrap import BootstrapError, bootstrap_all
from ecommerce.db.configuration import NoAdministrator
from ecommerce.db.queues import ForeignQueues


class Command(BaseCommand):
    help = "Create the databases, roles, schemas, extensions and queues that are missing."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = bootstrap_all()
        except psycopg.OperationalError as error:
            hint = "Is the server running? The embedded one starts with: manage.py db start"
            raise CommandError(f"{error}\n{hint}") from error
        except (BootstrapError, ForeignQueues, NoAdministrator, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            self.stdout.write("\n".join(lines))
