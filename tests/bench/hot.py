"""Many buyers, few pieces: eight checkouts at once on the same two products."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.bench.journeys import ReadyCart, fill_cart
from tests.bench.load import CONNECTIONS, Flow, drive
from tests.bench.shop import HOT_PIECES, Measured

BUYERS = 32
DEADLOCKS = "SELECT sum(deadlocks)::bigint FROM pg_stat_database"
LAST_PIECE = """
    SELECT max(taken.at) FROM (
        SELECT at, row_number() OVER (PARTITION BY variant_id ORDER BY at) AS piece FROM catalog_service.stock_movements
        WHERE kind = 'reserve' AND variant_id = ANY(%s)
    ) AS taken WHERE piece = %s
"""
LEFT = "SELECT coalesce(sum(on_hand - reserved), 0)::bigint FROM catalog_service.stock WHERE variant_id = ANY(%s)"
ON_HAND = "SELECT sum(on_hand)::bigint FROM catalog_service.stock WHERE variant_id = ANY(%s)"
CONFIRMED = "SELECT count(*) FROM order_service.orders WHERE status = 'confirmed' AND id = ANY(%s)"
SHIP_OUT_SECONDS = 60


@dataclass(frozen=True)
class Verdict:
    """What came of it; ``wrong`` lists what must not be, in words."""

    sold: int
    refused: int
    rate: float
    wrong: list[str]


@dataclass(frozen=True)
class Attempt:
    order_id: str
    code: str
    """Why it was refused; empty if it was not."""
    at: datetime


def rush(shop: Measured) -> Verdict:
    """Let ``BUYERS`` with a filled cart each check out, eight at a time, and audit what was sold."""
    variants = [product.variant_id for product in shop.hot]
    carts: Sequence[ReadyCart] = drive(shop.url, lambda number: fill_cart(shop.hot, number), count=BUYERS).outcomes
    with shop.administrator() as administrator:
        deadlocks = administrator.execute(DEADLOCKS).fetchall()[0][0]
        result = drive(shop.url, lambda number: _check_out(carts[number]), count=len(carts), connections=CONNECTIONS)
        attempts: list[Attempt] = list(result.outcomes)
        sold = [attempt.order_id for attempt in attempts if attempt.order_id]
        wrong = [f"{result.failures[0]}" for _ in result.failures[:1]]
        wrong += _audit(administrator, variants, attempts, sold)
        more = administrator.execute(DEADLOCKS).fetchall()[0][0] - deadlocks
        wrong += [f"{more} deadlocks"] if more else []
    return Verdict(len(sold), len(attempts) - len(sold), result.rate, wrong)


def _check_out(cart: ReadyCart) -> Flow:
    answer = yield cart.checkout()
    body = orjson.loads(answer.body)
    if answer.status == 201:
        return Attempt(body["id"], "", datetime.now(UTC))
    if answer.status != 409:
        answer.json(expect=201)
    return Attempt("", body["code"], datetime.now(UTC))


def _audit(administrator: Any, variants: list[str], attempts: list[Attempt], sold: list[str]) -> list[str]:
    """Return what is wrong with the outcome."""

    def number(query: str, *parameters: Any) -> Any:
        return administrator.execute(query, parameters).fetchall()[0][0]

    wrong = []
    if len(sold) != HOT_PIECES:
        wrong.append(f"{len(sold)} sold of {HOT_PIECES}")
    if number(CONFIRMED, sold) != len(sold):
        wrong.append("an order is not confirmed")
    if left := number(LEFT, variants):
        wrong.append(f"{left} pieces are left free")
    if others := {attempt.code for attempt in attempts} - {"", "out_of_stock"}:
        wrong.append(f"refused for another reason: {', '.join(sorted(others))}")
    last = number(LAST_PIECE, variants, HOT_PIECES)
    early = [attempt for attempt in attempts if attempt.code and (last is None or attempt.at < last)]
    if early:
        wrong.append(f"{len(early)} refused while stock lasted")
    deadline = time.monotonic() + SHIP_OUT_SECONDS
    while number(ON_HAND, variants) and time.monotonic() < deadline:
        time.sleep(0.1)
    if booked := number(ON_HAND, variants):
        wrong.append(f"{booked} sold pieces are not booked out")
    return wrong
