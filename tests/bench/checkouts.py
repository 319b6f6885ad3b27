"""``python -m tests.bench.checkouts``: checkouts and whole purchases by 1, 8 and 32 buyers at once, all of one product
and spread over 10,000, beside their floors in the same run.

A purchase is two pieces in five requests. For a checkout alone the carts are filled beforehand. Exit code 0; 2 when the
run broke off.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table

from config.management.commands.run import DEMO_PASSWORD
from tests.bench import floors, inside, journeys
from tests.bench.load import Action, Flow, Result, Silent, drive
from tests.bench.rounds import settle
from tests.bench.shop import PLENTY, STAFF, Measured, Product, opened
from tests.e2e.replay.client import Refused, Shop, Staff
from tests.e2e.stack import StackFailed

CLIENTS = (1, 8, 32)
SKUS = 10_000
PURCHASES_BAR = 156
TAIL_BAR = 5
HOT_BAR = 0.5
STOCKED = """
    SELECT p.slug, v.id::text FROM catalog_service.variants v JOIN catalog_service.products p ON p.id = v.product_id
    WHERE v.sku LIKE 'SORTIMENTO-%' ORDER BY v.sku
"""
GOODS = ("one SKU", "10,000 SKUs")

Note = Callable[[str], None]
Rounds = dict[str, list[Result]]
"""By what was done, as :func:`_name` calls it: one result a round."""


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    progress = Console(stderr=True, highlight=False)

    def note(what: str) -> None:
        progress.print(f"[dim]load {os.getloadavg()[0]:5.2f}[/dim]  {what}")

    try:
        note("starting an installation")
        with opened() as shop:
            found = _measure(shop, options, note)
            counted = inside.counted(shop)
    except KeyboardInterrupt:
        return 130
    except (StackFailed, Refused, Silent, TimeoutError, subprocess.CalledProcessError) as error:
        progress.print(f"{type(error).__name__}: {error}", markup=False)
        return 2
    _show(found)
    statements, commits = len(counted["statements"]["checkout"]), counted["commits"]["checkout"]
    print(f"a checkout is {statements} SQL statements in {commits} transactions")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.checkouts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each thing is measured (default: 6)")
    parser.add_argument("--carts", type=int, default=160, help="checkouts without their carts per round (default: 160)")
    return parser.parse_args()


def _measure(shop: Measured, options: argparse.Namespace, note: Note) -> Rounds:
    note(f"stocking {SKUS} products")
    many = _stocked(shop)
    found: Rounds = {}
    with shop.administrator() as administrator, floors.bare_server(shop) as bare_url:
        floors.make_tables(administrator)
        drive(shop.url, _buying(many[:1]), seconds=2)
        for number in range(1, options.rounds + 1):
            for name, measure in _things(shop, bare_url, many, options):
                note(f"round {number} of {options.rounds}: {name}")
                found.setdefault(name, []).append(measure())
                settle(administrator)
    return found


def _things(
    shop: Measured, bare_url: str, many: Sequence[Product], options: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield what one round measures, each by its name."""
    seconds = options.seconds
    bare = journeys.posting("/bare", journeys.PURCHASE_REQUESTS)
    for clients in CLIENTS:
        yield _name("bare purchase", clients), partial(drive, bare_url, bare, seconds=2, connections=clients)
        for goods, products in zip(GOODS, (many[:1], many), strict=True):
            buy = _buying(products)
            purchase = partial(drive, shop.url, buy, seconds=seconds, connections=clients)
            yield _name("purchase", clients, goods), purchase
            yield _name("checkout", clients, goods), partial(_checkouts, shop, products, options.carts, clients)
    yield "checkout SQL", partial(floors.checkouts, shop, seconds=seconds)


def _name(what: str, clients: int, goods: str = "") -> str:
    return f"{what}, {clients} at once" + (f", {goods}" if goods else "")


def _buying(products: Sequence[Product]) -> Action:
    """Return whole purchases of two pieces, each of a product drawn from ``products``."""

    def flow(number: int) -> Flow:
        ready = yield from journeys.fill_cart(_drawn(products, number), number)
        answer = yield ready.checkout()
        return answer.json(expect=201)["id"]

    return flow


def _checkouts(shop: Measured, products: Sequence[Product], count: int, clients: int) -> Result:
    """Fill ``count`` carts, then check all of them out."""
    carts = drive(shop.url, lambda n: journeys.fill_cart(_drawn(products, n), n), count=count).outcomes

    def flow(number: int) -> Flow:
        answer = yield carts[number].checkout()
        return answer.json(expect=201)["id"]

    return drive(shop.url, flow, count=count, connections=clients)


def _drawn(products: Sequence[Product], number: int) -> list[Product]:
    return random.Random(number).choices(products, k=2)  # noqa: S311


def _stocked(shop: Measured) -> list[Product]:
    """Import the assortment, as staff does, and return it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["handle", "name", "category", "sku", "price", "weight_grams", "stock"])
    for number in range(SKUS):
        sku = f"SORTIMENTO-{number:05d}"
        writer.writerow([sku.lower(), f"Sortimento {number}", "Sortimento", sku, f"{10 + number % 90}.90", 300, PLENTY])
    api = Shop(shop.url, connections=1)
    try:
        Staff(api, api.log_in(STAFF, DEMO_PASSWORD)).import_products(file.getvalue())
    finally:
        api.close()
    with shop.administrator() as administrator:
        return [Product(*row) for row in administrator.execute(STOCKED).fetchall()]


def _show(found: Rounds) -> None:
    table = Table(title="per second, and milliseconds: median of the rounds (lowest–highest)")
    for column in ("", "per second", "p50 ms", "p99 ms", "p99 / p50"):
        table.add_column(column, justify="right" if column else "left")
    for name, rounds in found.items():
        tails = [each.milliseconds(99) / each.milliseconds(50) for each in rounds]
        rates = [each.rate for each in rounds]
        percentiles = [[each.milliseconds(percent) for each in rounds] for percent in (50, 99)]
        table.add_row(name, _span(rates), *(_span(values) for values in percentiles), _span(tails))
    console = Console(width=150, highlight=False)
    console.print(table)
    for bar in _bars(found):
        console.print(bar)
    for name, rounds in found.items():
        if failures := [failure for each in rounds for failure in each.failures]:
            console.print(
                f"WRONG: {name}: {len(failures)} failed, such as {failures[0]}", style="bold red", markup=False
            )
    print(json.dumps({name: [round(each.rate, 2) for each in rounds] for name, rounds in found.items()}))


def _bars(found: Rounds) -> Iterator[str]:
    best = max(_rate(found, _name("purchase", clients, goods)) for clients in CLIENTS for goods in GOODS)
    yield f"best rate of whole purchases: {best:.1f} a second ({_said(best >= PURCHASES_BAR)}: {PURCHASES_BAR})"
    for clients in CLIENTS:
        hot, spread = (_rate(found, _name("checkout", clients, goods)) for goods in GOODS)
        ratio = hot / spread
        verdict = _said(ratio >= HOT_BAR)
        yield f"checkouts of one SKU, {clients} at once: {ratio:.2f} of the spread ones ({verdict}: {HOT_BAR})"
        for goods in GOODS:
            rounds = found[_name("checkout", clients, goods)]
            tail = statistics.median(each.milliseconds(99) / each.milliseconds(50) for each in rounds)
            verdict = _said(tail <= TAIL_BAR)
            yield f"checkout, {clients} at once, {goods}: p99 is {tail:.1f} × p50 ({verdict}: {TAIL_BAR})"


def _said(met: bool) -> str:
    return "meets" if met else "misses"


def _rate(found: Rounds, name: str) -> float:
    return statistics.median(each.rate for each in found[name])


def _span(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})"


if __name__ == "__main__":
    sys.exit(main())
