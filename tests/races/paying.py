"""Races of money: webhooks beside the buyer's return, cancellations beside payments, refunds beside refunds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

from tests.bench.load import get, post
from tests.e2e.replay.client import Staff
from tests.races.arena import API, Arena, Cart, body_of, counted, require, told
from tests.races.crowd import Sent

PIX = {"method": "pix"}
WEBHOOKS = 5
LOOKS = 8
MEANWHILE_SECONDS = 3.0
"""Longer than a worker takes to come round to a webhook."""
CANCELLED_WITHIN = 4 * MEANWHILE_SECONDS
"""Until some of the orders are confirmed."""
KEPT_WEBHOOKS = "SELECT attempt_id::text, count(*) FROM {schema}.payment_webhooks WHERE received_at >= %s GROUP BY 1"
RETURNING = """
    SELECT sum(returning_quantity)::int, sum(refunded_quantity)::int FROM {schema}.order_lines WHERE order_id = %s
"""
CONFIRMED_BY = """
    SELECT order_id::text, count(*) FILTER (WHERE to_status = 'confirmed'),
           count(*) FILTER (WHERE to_status = 'cancelled')
    FROM {schema}.order_timeline WHERE at >= %s GROUP BY 1
"""


def webhook_beside_return(arena: Arena, random: Random, *, orders: int = 6) -> str:
    """The same webhook five times beside the buyer who comes back and looks: one payment, one order, one mail."""
    placed = _placed_by_pix(arena, orders)
    looks = [_look(order, random.uniform(0, MEANWHILE_SECONDS)) for order in placed for _ in range(LOOKS)]
    with _meanwhile(arena, random, placed, webhooks=WEBHOOKS - 1):
        answers = arena.crowd.rush(looks)
    require(set(counted(answers)) == {"200"}, f"the buyers saw {told(counted(answers))}")
    evidence = arena.audit()
    statuses = Counter(order.status for order in evidence.orders.values())
    require(statuses == Counter(confirmed=orders), f"orders: {dict(statuses)}")
    kept: dict[str, int] = dict(arena.books.rows("order", KEPT_WEBHOOKS, [arena.scene.since]))
    require(set(kept.values()) == {1} and len(kept) == orders, f"webhooks kept by payment: {sorted(kept.values())}")
    mails = sum(len(order.confirmations) for order in evidence.orders.values())
    return f"{orders} × {WEBHOOKS} webhooks, {len(answers)} looks: {orders} payments, {orders} orders, {mails} mails"


def cancelled_beside_payment(arena: Arena, random: Random, *, orders: int = 16) -> str:
    """Each order is paid and cancelled at the same moment, and the bank pays what was voided, too: every order ends
    once, and its money is back."""
    placed = _placed_by_pix(arena, orders)
    volley = [
        Sent(_cancel(order), random.uniform(0, CANCELLED_WITHIN) if number % 4 else 0.0)
        for number, order in enumerate(placed)
    ]
    volley += [_look(order, random.uniform(0, MEANWHILE_SECONDS)) for order in placed]
    with _meanwhile(arena, random, placed):
        answers = arena.crowd.rush(volley)
    cancelled = counted(answers[:orders])
    require(set(cancelled) == {"200"}, f"cancellations: {told(cancelled)}")
    evidence = arena.audit()
    ends = arena.books.rows("order", CONFIRMED_BY, [arena.scene.since])
    require(all(ended == 1 for _, _, ended in ends), f"orders ended {[row[1:] for row in ends]}")
    returned = sum(1 for payment in evidence.payments.values() if payment.refunded_by_bank)
    first = sum(confirmed for _, confirmed, _ in ends)
    return f"{orders} cancelled, {first} of them confirmed before; {returned} payments came and went back"


def refunds_beside_refunds(arena: Arena, random: Random, *, extra: int = 8) -> str:
    """More single pieces are given back at once than there are: all of the money goes back, to the cent, no more."""
    variants = arena.offer(pieces=50, price="33.33", variants=3)
    code = arena.coupon("7.00")
    [cart] = arena.fill([{variant: random.randint(2, 6) for variant in variants}], coupon=code)
    order = _paid_by_two(arena, cart)
    pieces = [line["id"] for line in order["lines"] for _ in range(line["quantity"])]
    wanted = [*pieces, *random.choices(pieces, k=extra)]
    random.shuffle(wanted)
    arena.bank.behave("error_after", operation="refund", count=2)
    requests = [_refund(arena, order, line, restock=random.random() < 0.5) for line in wanted]
    volley = [*requests, *random.sample(requests, 4)]
    answers = arena.crowd.rush(volley)
    seen = counted(answers)
    require(set(seen) <= {"201", "202", "422 nothing_to_refund", "409 idempotency_in_flight"}, told(seen))
    accepted = {request for request, answer in zip(volley, answers, strict=True) if answer.status in (201, 202)}
    require(len(accepted) == len(pieces), f"{len(accepted)} of {len(pieces)} pieces: {told(seen)}")
    evidence = arena.audit()
    captured = sum((payment.captured_by_bank for payment in evidence.payments.values()), Decimal(0))
    refunded = sum((payment.refunded_by_bank for payment in evidence.payments.values()), Decimal(0))
    total = Decimal(order["total"]["amount"])
    require(captured == refunded == total, f"of {total} were {captured} captured and {refunded} refunded")
    return f"{len(pieces)} pieces: {told(seen)}; {refunded} of {captured} went back"


def returns_beside_refunds(arena: Arena, random: Random, *, extra: int = 4) -> str:
    """The buyer wants single pieces back that arrived, more often than there are, while staff refunds some: each piece
    is given back once, by the one or by the other."""
    variants = arena.offer(pieces=50, price="29.90", variants=2)
    [cart] = arena.fill([{variant: random.randint(3, 6) for variant in variants}])
    order = _paid_by_two(arena, cart)
    _deliver(arena, order)
    pieces = [line["id"] for line in order["lines"] for _ in range(line["quantity"])]
    reasons = random.choices(["withdrawal", "defect", "other"], k=len(pieces) + extra)
    wishes = [
        post(
            f"{API}/orders/{order['id']}/returns",
            {"lines": [{"line_id": line, "quantity": 1}], "reason": reason},
            X_Order_Token=order["access_token"],
            Idempotency_Key=str(uuid4()),
        )
        for line, reason in zip([*pieces, *random.choices(pieces, k=extra)], reasons, strict=True)
    ]
    refunds = [_refund(arena, order, line, restock=False) for line in random.choices(pieces, k=extra)]
    volley = [*wishes, *refunds]
    places = random.sample(range(len(volley)), len(volley))
    answers = dict(zip(places, arena.crowd.rush([volley[place] for place in places]), strict=True))
    asked = counted([answers[place] for place in range(len(wishes))])
    refunded = counted([answers[place] for place in range(len(wishes), len(volley))])
    require(set(asked) <= {"201", "422 nothing_to_return"}, f"wishes: {told(asked)}")
    require(set(refunded) <= {"201", "202", "422 nothing_to_refund"}, f"refunds: {told(refunded)}")
    given = asked["201"] + refunded["201"] + refunded["202"]
    require(given == len(pieces), f"{given} of {len(pieces)} pieces are given back")
    arena.audit()
    [(returning, gone)] = arena.books.rows("order", RETURNING, [order["id"]])
    require((returning, returning + gone) == (asked["201"], len(pieces)), f"{returning} returning, {gone} refunded")
    return f"{len(pieces)} pieces: wishes {told(asked)}; refunds {told(refunded)}"


def _deliver(arena: Arena, order: Mapping[str, Any]) -> None:
    """Send everything, and let it arrive."""
    staff = Staff(arena.shop, arena.login)
    parcel = staff.ship(order["id"], "Correios", uuid4().hex)
    staff.track(parcel, "delivered", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _refund(arena: Arena, order: Mapping[str, Any], line: str, *, restock: bool) -> bytes:
    """Return the request of staff to give the money for one piece back."""
    body = {"lines": [{"line_id": line, "quantity": 1}], "restock": restock, "reason": "Corrida"}
    return arena.staff_post(f"orders/{order['id']}/refunds", body, Idempotency_Key=str(uuid4()))


def _placed_by_pix(arena: Arena, orders: int) -> list[dict[str, Any]]:
    """Place orders that wait for a Pix, and return their documents with the bank's id of each charge."""
    [variant] = arena.offer(pieces=orders, price="42.42")
    carts = arena.fill([{variant: 1}] * orders)
    answers = arena.crowd.rush([cart.checkout(payments=[PIX]) for cart in carts])
    require(counted(answers) == Counter({"201": orders}), told(counted(answers)))
    placed = [body_of(answer) for answer in answers]
    charges = {charge["reference"]: charge["id"] for charge in arena.bank.charges(changed_since=_since(arena))}
    return [{**order, "charge": charges[order["payments"][0]["id"]]} for order in placed]


def _paid_by_two(arena: Arena, cart: Cart) -> dict[str, Any]:
    """Buy a cart by a voucher and a card and return the order; wait until its sale has reached the stock."""
    total = Decimal(cart.total["amount"])
    voucher = (total / 3).quantize(Decimal("0.01"))
    payments = [
        {"method": "voucher", "voucher_code": "VALE-CORRIDA", "amount": {"amount": str(voucher), "currency": "BRL"}},
        {"method": "card", "card_token": "tok_visa", "amount": {"amount": str(total - voucher), "currency": "BRL"}},
    ]
    [answer] = arena.crowd.rush([cart.checkout(payments=payments)])
    require(answer.status == 201, told(counted([answer])))
    return body_of(answer)


def _look(order: Mapping[str, Any], after: float) -> Sent:
    return Sent(get(f"{API}/orders/{order['id']}", X_Order_Token=order["access_token"]), after)


def _cancel(order: Mapping[str, Any]) -> bytes:
    return post(f"{API}/orders/{order['id']}/cancel", {"reason": "Corrida"}, X_Order_Token=order["access_token"])


@contextmanager
def _meanwhile(
    arena: Arena, random: Random, orders: Sequence[Mapping[str, Any]], *, webhooks: int = 0
) -> Iterator[None]:
    """Let the customers pay at their bank, each at a random moment, while the block runs; the bank tells of each
    payment so many times more."""
    moments = sorted((random.uniform(0, MEANWHILE_SECONDS / 2), str(order["charge"])) for order in orders)

    def pay() -> None:
        started = time.monotonic()
        for moment, charge in moments:
            time.sleep(max(0.0, started + moment - time.monotonic()))
            arena.bank.pay(charge)
            if webhooks:
                arena.bank.tell_again(charge, times=webhooks)

    with ThreadPoolExecutor(1, "bank") as bank:
        paid = bank.submit(pay)
        yield
        paid.result()


def _since(arena: Arena) -> str:
    return f"{arena.scene.since:%Y-%m-%dT%H:%M:%S}Z"
