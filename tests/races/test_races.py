"""A few races with every change, smaller. ``make races`` runs them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import LiteralString

import pytest

from tests.races import buying, filling, paying
from tests.races.arena import Arena, Broken, opened

pytestmark = pytest.mark.timeout(400)
SEED = 1
SMALL: dict[str, Callable[[Arena, Random], str]] = {
    "stock": partial(buying.last_piece, buyers=12),
    "coupon": partial(buying.last_uses_of_a_coupon, buyers=12, limit=3),
    "key": partial(buying.same_key, times=6),
    "add": partial(filling.every_line_is_kept, additions=12, careful=3),
    "webhook": partial(paying.webhook_beside_return, orders=2),
    "refund": partial(paying.refunds_beside_refunds, extra=3),
    "return": partial(paying.returns_beside_refunds, extra=2),
}
PLANTS: dict[str, tuple[str, LiteralString, LiteralString]] = {
    "on hand and": (
        "catalog",
        "UPDATE {schema}.stock SET on_hand = on_hand + 1, version = version + 1",
        "UPDATE {schema}.stock SET on_hand = on_hand - 1, version = version + 1",
    ),
    "by the ledger": (
        "catalog",
        "UPDATE {schema}.stock SET on_hand = on_hand + 1, reserved = reserved + 1, version = version + 1",
        "UPDATE {schema}.stock SET on_hand = on_hand - 1, reserved = reserved - 1, version = version + 1",
    ),
    "is still pending": (
        "order",
        "UPDATE {schema}.orders SET status = 'pending'",
        "UPDATE {schema}.orders SET status = 'confirmed'",
    ),
    "is due": (
        "order",
        "UPDATE {schema}.orders SET shipping_total = shipping_total + 1, total = total + 1",
        "UPDATE {schema}.orders SET shipping_total = shipping_total - 1, total = total - 1",
    ),
}
"""What the audit must say, in which context to plant it, and how to undo that."""
OF_THE_RACE: dict[str, LiteralString] = {
    "catalog": " WHERE variant_id = ANY(%s::uuid[]) RETURNING 1",
    "order": """ WHERE status <> 'failed' AND id IN (
        SELECT order_id FROM {schema}.order_lines WHERE variant_id = ANY(%s::uuid[])) RETURNING 1""",
}


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with opened(web_workers=2) as made:
        yield made


@pytest.mark.parametrize("name", SMALL)
def test_every_book_agrees_after_a_race(arena: Arena, name: str) -> None:
    arena.begin()
    SMALL[name](arena, Random(SEED))


def test_the_audit_sees_a_doctored_database(arena: Arena) -> None:
    arena.begin()
    buying.last_piece(arena, Random(SEED), buyers=2)
    variants = [list(arena.scene.variants)]
    for what, (context, plant, undo) in PLANTS.items():
        only = OF_THE_RACE[context]
        assert arena.books.rows(context, plant + only, variants), f"nothing was planted for {what!r}"
        with pytest.raises(Broken, match=what):
            arena.audit()
        arena.books.rows(context, undo + only, variants)
    arena.audit()
