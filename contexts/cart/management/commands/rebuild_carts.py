"""``manage.py rebuild_carts``: the projection from its events again."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from contexts.cart.queries import cart_ids_after
from contexts.cart.usecases.rebuilding import compare_projections

BATCH = 200


class Command(BaseCommand):
    help = "Compare every cart with the fold of its events and put the projection right; safe while writes go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--verify", action="store_true", help="change nothing; fail if a cart differs")

    def handle(self, *args: Any, verify: bool, **options: Any) -> None:
        seen = different = 0
        last = UUID(int=0)
        while cart_ids := cart_ids_after(last, limit=BATCH):
            for difference in compare_projections(cart_ids=cart_ids, repair=not verify):
                different += 1
                what = ", ".join(difference.columns) or "no row"
                self.stdout.write(f"{difference.cart_id}: {what}")
            seen += len(cart_ids)
            last = cart_ids[-1]
        if verify and different:
            raise CommandError(f"{different} of {seen} carts differ from their events")
        self.stdout.write(f"{seen} carts, {different} {'different' if verify else 'put right'}")
