"""``manage.py kong``: the gateway's configuration with the keys of this installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.documents_format import yaml_text
from config.gateways.kong import with_keys


class Command(BaseCommand):
    help = "Print Kong's configuration with the public keys of this installation's access tokens."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the configuration without keys, docker/kong/kong.yml")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = yaml.safe_load(options["file"].read_text())
        self.stdout.write(yaml_text([with_keys(configuration, settings.JWT_PUBLIC_KEYS)]), ending="")
