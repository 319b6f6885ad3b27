"""A race at a cart: many add to it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.bench.load import get
from tests.races.arena import API, Arena, Cart, body_of, counted, require, told

STALE = "412 precondition_failed"
Wish = tuple[str, int]
"""A variant, and how many pieces of it."""


def every_line_is_kept(arena: Arena, random: Random, *, additions: int = 40, careful: int = 8) -> str:
    """Many add to one cart at once, some of them only to the version they saw, and again to the next: every piece is
    there."""
    variants = arena.offer(pieces=500, price="12.34", variants=6)
    [cart] = arena.fill([{variants[0]: 1}])
    free, waiting = _wishes(random, variants, additions), _wishes(random, variants, careful)
    expected = Counter({variants[0]: 1})
    for variant, quantity in [*free, *waiting]:
        expected[variant] += quantity
    seen: Counter[str] = Counter()
    version = cart.version
    while waiting:
        volley = [*(cart.add(*wish) for wish in free), *_to_version(cart, version, waiting)]
        answers = arena.crowd.rush(volley)
        first, tried = answers[: len(free)], answers[len(free) :]
        require(all(answer.status == 200 for answer in first), told(counted(first)))
        require(counted(tried)["200"] <= 1, f"of one version: {told(counted(tried))}")
        seen += counted(answers)
        waiting = [wish for wish, answer in zip(waiting, tried, strict=True) if answer.status != 200]
        free, version = [], _read(arena, cart)["version"]
    require(set(seen) <= {"200", STALE}, told(seen))
    found = Counter({line["variant_id"]: line["quantity"] for line in _read(arena, cart)["lines"]})
    require(found == expected, f"{found.total()} pieces are in the cart, {expected.total()} were put there")
    arena.audit()
    return f"{told(seen)}; all {found.total()} pieces are there"


def _wishes(random: Random, variants: Sequence[str], count: int) -> list[Wish]:
    return [(random.choice(variants), random.randint(1, 3)) for _ in range(count)]


def _to_version(cart: Cart, version: int, wishes: Sequence[Wish]) -> list[bytes]:
    return [cart.add(*wish, If_Match=f'"{version}"') for wish in wishes]


def _read(arena: Arena, cart: Cart) -> dict[str, Any]:
    [answer] = arena.crowd.rush([get(f"{API}/carts/{cart.id}", X_Cart_Token=cart.token)])
    require(answer.status == 200, told(counted([answer])))
    return body_of(answer)
