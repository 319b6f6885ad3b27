"""``manage.py kong``: what the gateway must know of this installation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.gateways.kong import kong_yml
from ecommerce.topology import current


class Command(BaseCommand):
    help = "Print Kong's declarative configuration with the public keys of this installation's access tokens."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(kong_yml(current(), settings.JWT_PUBLIC_KEYS), ending="")
