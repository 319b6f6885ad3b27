"""Races at the checkout: the last piece, the last use of a coupon, the same key, the same cart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

from tests.bench.load import Answer
from tests.races.arena import CARD, SLOW_CARD, Arena, Cart, body_of, counted, outcome_of, require, told
from tests.races.evidence import Evidence

SOLD = "201"
IN_FLIGHT = "409 idempotency_in_flight"
REUSED = "422 idempotency_key_reused"
MOVED = "409 total_changed"
ORDERED_ALREADY = {"409 cart_being_ordered", "409 cart_changed", "409 cart_closed"}
KEYS_TRIED_SECONDS = 60.0


def last_piece(arena: Arena, random: Random, *, buyers: int = 50) -> str:
    """Many checkouts, one piece: one order, and nobody else is charged."""
    [variant] = arena.offer(pieces=1, price="33.33")
    carts = arena.fill([{variant: 1}] * buyers)
    answers = arena.crowd.rush([cart.checkout(payments=[_card(random)]) for cart in carts])
    require(counted(answers) == Counter({SOLD: 1, "409 out_of_stock": buyers - 1}), told(counted(answers)))
    evidence = arena.audit()
    require(evidence.stock[variant].sold == 1, "the piece is not sold")
    _only_orders_were_charged(evidence)
    return told(counted(answers))


def last_uses_of_a_coupon(arena: Arena, random: Random, *, buyers: int = 100, limit: int = 10) -> str:
    """Many checkouts, few uses: exactly as many at the lower price, the others are told the new total."""
    [variant] = arena.offer(pieces=buyers, price="45.67")
    code = arena.coupon("15.00", usage_limit=limit)
    return _compete_for_coupon(arena, random, [{variant: 1}] * buyers, code, limit, reason="exhausted")


def one_use_for_a_customer(arena: Arena, random: Random, *, carts: int = 20) -> str:
    """One person checks out many carts with a coupon that everybody may use once."""
    [variant] = arena.offer(pieces=carts, price="45.67")
    code, email = arena.coupon("15.00", per_customer_limit=1), f"{uuid4().hex[:12]}@example.com"
    return _compete_for_coupon(arena, random, [{variant: 1}] * carts, code, 1, reason="customer_limit", email=email)


def _compete_for_coupon(
    arena: Arena, random: Random, contents: Sequence[dict[str, int]], code: str, limit: int, *, reason: str,
    email: str = "",
) -> str:  # fmt: skip
    carts = arena.fill(contents, coupon=code, email=email)
    without = arena.fill(contents[:1])[0].total
    answers = arena.crowd.rush([cart.checkout(payments=[_card(random)]) for cart in carts])
    refused = "409 coupon_refused"
    expected = Counter({SOLD: limit, refused: len(carts) - limit})
    require(counted(answers) == expected, told(counted(answers)))
    for answer, cart in zip(answers, carts, strict=True):
        body = body_of(answer)
        if answer.status == 201:
            require(body["total"] == cart.total, f"sold for {body['total']}, seen was {cart.total}")
        else:
            require(body.get("reason") == reason, f"refused for {body.get('reason')}")
            require(body.get("total") == without, f"told {body.get('total')}, without the coupon it is {without}")
    evidence = arena.audit()
    require(evidence.coupons[code].confirmed == limit, f"{evidence.coupons[code].confirmed} uses are confirmed")
    _only_orders_were_charged(evidence)
    return told(counted(answers))


def same_key(arena: Arena, random: Random, *, times: int = 20) -> str:
    """One request many times at once: one order, one answer for all; the key with another request is refused."""
    [variant] = arena.offer(pieces=times, price="19.99")
    [cart] = arena.fill([{variant: 2}])
    key = str(uuid4())
    request = cart.checkout(key, payments=[SLOW_CARD])
    other = cart.checkout(key, payments=[SLOW_CARD], email="outra@example.com")
    volley = [request] * times + [other] * times
    random.shuffle(volley)
    first = arena.crowd.rush(volley)
    winner = request if any(_is(answer, SOLD) for answer in _of(first, volley, request)) else other
    loser = other if winner is request else request
    seen = counted(_of(first, volley, winner))
    require(set(seen) <= {SOLD, IN_FLIGHT, *ORDERED_ALREADY}, f"the request: {told(seen)}")
    refused = counted(_of(first, volley, loser))
    require(set(refused) <= {REUSED}, f"the other request with the key: {told(refused)}")
    answers = [answer for answer in _of(first, volley, winner) if answer.status == 201]
    answers += _again_until_answered(arena, [winner] * (times - len(answers)))
    documents = [body_of(answer) for answer in answers]
    require(all(one == documents[0] for one in documents), "the same request was answered in different ways")
    evidence = arena.audit()
    require(len(evidence.orders) == 1, f"{len(evidence.orders)} orders")
    return f"{told(seen + refused)}; asked again: {told(counted(answers))}, all the same"


def two_keys_for_a_cart(arena: Arena, random: Random, *, carts: int = 10, keys: int = 4) -> str:
    """Each cart is checked out several times at once, each time as a new purchase: one order a cart."""
    [variant] = arena.offer(pieces=carts * keys, price="27.10")
    filled = arena.fill([{variant: 1}] * carts)
    volley = [cart.checkout(payments=[_card(random)]) for cart in filled for _ in range(keys)]
    answers = arena.crowd.rush(volley)
    require(set(counted(answers)) <= {SOLD, *ORDERED_ALREADY}, told(counted(answers)))
    for place in range(carts):
        of_cart = counted(answers[place * keys : (place + 1) * keys])
        require(of_cart[SOLD] == 1, f"one cart: {told(of_cart)}")
    evidence = arena.audit()
    _only_orders_were_charged(evidence)
    return told(counted(answers))


def cart_changed_meanwhile(arena: Arena, random: Random, *, carts: int = 12) -> str:
    """Something is put into each cart while it is checked out: what is sold is what the buyer saw, or nothing is."""
    [variant, more] = arena.offer(pieces=carts * 2, price="51.03", variants=2)
    filled = arena.fill([{variant: 1}] * carts)
    volley = [request for cart in filled for request in (cart.checkout(payments=[_card(random)]), cart.add(more))]
    answers = arena.crowd.rush(volley)
    checkouts, additions = answers[::2], answers[1::2]
    require(set(counted(checkouts)) <= {SOLD, MOVED, *ORDERED_ALREADY}, f"checkouts: {told(counted(checkouts))}")
    require(set(counted(additions)) <= {"200", "409 cart_changed"}, f"additions: {told(counted(additions))}")
    _sold_as_seen(filled, checkouts)
    evidence = arena.audit()
    require(all(len(order.pieces) == 1 for order in evidence.orders.values()), "something was sold that nobody saw")
    _kept_by(evidence, checkouts)
    return f"checkouts: {told(counted(checkouts))}; additions: {told(counted(additions))}"


def price_moved_meanwhile(arena: Arena, random: Random, *, carts: int = 12) -> str:
    """The price rises while carts are checked out: sold at the price that was seen, or refused before any charge."""
    [variant] = arena.offer(pieces=carts * 2, price="60.00")
    filled = arena.fill([{variant: 1}] * carts * 2)
    rise = arena.staff_post(
        "price-changes", [{"sku": _sku_of(arena, filled[0]), "price": {"amount": "66.60", "currency": "BRL"}}]
    )
    volley = [cart.checkout(payments=[_card(random)]) for cart in filled[:carts]]
    volley.insert(random.randrange(carts), rise)
    answers = arena.crowd.rush(volley)
    [changed] = [answer for answer, request in zip(answers, volley, strict=True) if request is rise]
    require(changed.status == 200, f"the price: {outcome_of(changed)}")
    checkouts = [answer for answer in answers if answer is not changed]
    late = arena.crowd.rush([cart.checkout() for cart in filled[carts:]])
    require(set(counted(checkouts)) <= {SOLD, MOVED}, told(counted(checkouts)))
    require(set(counted(late)) == {MOVED}, f"after the price had risen: {told(counted(late))}")
    for answer in [*checkouts, *late]:
        require(answer.status == 201 or body_of(answer)["total"] != filled[0].total, "the new total was not told")
    _sold_as_seen(filled, checkouts)
    evidence = arena.audit()
    require(len(evidence.orders) == counted(checkouts)[SOLD], "a refused checkout left an order")
    return f"{told(counted(checkouts))}; afterwards {told(counted(late))}"


def _card(random: Random) -> dict[str, str]:
    """Return a card whose charge takes no time, or a fifth of a second."""
    return random.choice([CARD, SLOW_CARD])


def _is(answer: Answer, outcome: str) -> bool:
    return outcome_of(answer) == outcome


def _of(answers: Iterable[Answer], volley: Iterable[bytes], request: bytes) -> list[Answer]:
    return [answer for answer, sent in zip(answers, volley, strict=True) if sent is request]


def _again_until_answered(arena: Arena, requests: Sequence[bytes]) -> list[Answer]:
    """Make requests again until none of them is in flight any more."""
    answers: list[Answer] = []

    def answered() -> bool:
        answers[:] = arena.crowd.rush(requests)
        return all(answer.status == 201 for answer in answers)

    arena.wait(answered, "every repetition has the answer", within=KEYS_TRIED_SECONDS)
    return answers


def _sold_as_seen(carts: Sequence[Cart], checkouts: Sequence[Answer]) -> None:
    seen: set[Any] = {cart.total["amount"] for cart in carts}
    sold = {body_of(answer)["total"]["amount"] for answer in checkouts if answer.status == 201}
    require(sold <= seen, f"sold for {sold}, seen was {seen}")


def _kept_by(evidence: Evidence, checkouts: Sequence[Answer]) -> None:
    """Check that the shop has money for exactly the checkouts that were sold."""
    kept = sum((one.captured_by_bank - one.refunded_by_bank for one in evidence.payments.values()), Decimal(0))
    sold = sum((Decimal(body_of(one)["total"]["amount"]) for one in checkouts if one.status == 201), Decimal(0))
    require(kept == sold, f"the bank has {kept} for sales of {sold}")


def _only_orders_were_charged(evidence: Evidence) -> None:
    """Check that the bank never heard of those who were refused: no money to and fro."""
    refused = {id_ for id_, order in evidence.orders.items() if order.status == "failed"}
    charged = [id_ for id_, payment in evidence.payments.items() if payment.order in refused and payment.charges]
    require(not charged, f"{len(charged)} were charged although they were refused")


def _sku_of(arena: Arena, cart: Cart) -> str:
    lines = arena.shop.api("GET", f"carts/{cart.id}", headers={"X-Cart-Token": cart.token})["lines"]
    return str(lines[0]["sku"])
