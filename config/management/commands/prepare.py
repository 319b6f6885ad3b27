"""``manage.py prepare``: bring databases, directories, static files and demo data of this process up to date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandParser

from ecommerce.inbox.registry import bindings
from ecommerce.messaging.broker import BrokerUnavailable
from ecommerce.messaging.configured import get_broker
from ecommerce.observability.metrics import clear_directory

PLACES = {"media": 0o755, "static": 0o755, "mail": 0o700}
"""Directories and who may look into them: mails hold addresses, and links that open accounts."""
DEMO = ("load_demo_catalog", "load_demo_promotions", "load_demo_shipping")


class Command(BaseCommand):
    help = "Make what is missing of databases, tables, directories and static files. Safe to repeat; start nothing yet."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo-password", default="", help="load demo data, with accounts of this password")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("bootstrap", verbosity=options["verbosity"])
        call_command("migrate_all", verbosity=options["verbosity"])
        self._declare_queues()
        for folder, mode in PLACES.items():
            (settings.VAR_DIR / folder).mkdir(parents=True, exist_ok=True, mode=mode)
        if metrics := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            clear_directory(Path(metrics))
        if settings.BACK_OFFICE:
            call_command("collectstatic", interactive=False, verbosity=0)
        if options["demo_password"]:
            self._load_demo(options["demo_password"])

    def _declare_queues(self) -> None:
        """Bind the queues before anything is published: a relay may start before the other contexts' consumers."""
        try:
            get_broker().declare(bindings())
        except BrokerUnavailable as error:
            self.stderr.write(f"The broker does not answer; workers make the queues when it does. {error}")

    def _load_demo(self, password: str) -> None:
        """Load what each local context has to show."""
        here = get_commands()
        if settings.ACCOUNTS:
            call_command("load_demo_users", password=password, verbosity=0)
        for command in DEMO:
            if command in here:
                call_command(command, verbosity=0)
