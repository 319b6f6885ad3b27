"""``manage.py rebuild_catalog``: write the read model anew, also while the shop is open."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from contexts.catalog.usecases.read_model import REBUILD_BATCH, rebuild_catalog, refresh_best_sellers


class Command(BaseCommand):
    help = "Write product_catalog anew from the tables behind it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=REBUILD_BATCH, help="products per transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        refresh_best_sellers()
        done = 0
        for done in rebuild_catalog(batch=options["batch"]):
            if options["verbosity"] > 1:
                self.stdout.write(f"{done} products")
        if options["verbosity"]:
            self.stdout.write(f"{done} products done")
