"""``manage.py load_demo_promotions``: campaigns and coupons to try the shop with."""

from typing import Any

from django.core.management.base import BaseCommand

from contexts.promotion.usecases.demo import load_demo
from ecommerce.clock import now


class Command(BaseCommand):
    help = "Load the demo campaigns and the coupons BEMVINDO10, FRETEGRATIS and MENOS50. Changes nothing that exists."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in load_demo(now=now()):
            self.stdout.write(f"Loaded {name}.")
