"""Faults of sagas beside their deaths: who is slow, who answers late or not at all, who decides at the same moment."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

from tests.e2e.stack import ROOT
from tests.faults.books import Left, money_equals_goods
from tests.faults.invariants import require
from tests.faults.processes import until
from tests.faults.rig import Rig
from tests.faults.shop import CARD, DECLINED, PIX, Shop

HOURS = 3
WORKERS = 4
FORWARD = tuple(
    f"CREATE_ORDER.{step}.do.{moment}"
    for step in ("reserve_inventory", "validate_coupon", "process_payment", "convert_cart", "send_confirmation")
    for moment in ("before", "after")
)
WITHOUT_COUPON = tuple(name for name in FORWARD[:-1] if "coupon" not in name)
BACKWARD = tuple(
    f"CREATE_ORDER.{step}.undo.{moment}"
    for step in ("process_payment", "validate_coupon", "reserve_inventory", "write_order")
    for moment in ("before", "after")
)
PLACED_UNDER = "SELECT definition_version FROM order_service.saga_instance WHERE subject = %s"
WALKED = """
    SELECT DISTINCT name FROM order_service.saga_step s JOIN order_service.saga_instance i ON i.id = s.saga_id
    WHERE i.subject = %s AND i.saga_type = 'CREATE_ORDER'
"""
PARKED = "SELECT parked, status FROM order_service.saga_instance WHERE subject = %s AND saga_type = 'CREATE_ORDER'"
LEASE = """
    SELECT extract(epoch FROM due_at - clock_timestamp()) FROM order_service.saga_instance
    WHERE subject = %s AND lease_owner IS NOT NULL
"""


def two_workers(rig: Rig, random: Random, *, times: int = 6) -> str:
    """24: a process stands still in a step past its lease, others take the step over, and then it goes on."""
    shop = _open(rig)
    taken_over = 0
    for boundary in random.sample([*FORWARD, "gateway.charge", "gateway.charge"], times):
        cart = shop.fill()
        shop.stops_at(cart.id, boundary)
        with _meanwhile(shop.check_out, cart, CARD) as answer:
            process = shop.await_stop(cart.id)
            shop.leases_end()
            if random.random() < 0.75:
                taken_over += 1
                _together([shop.work] * WORKERS)
            os.kill(process, signal.SIGCONT)
        said = answer.result()
        require(said is not None and said.status_code in (201, 202), f"{boundary}: {said and said.text}")
    shop.finish()
    return f"{times} steps, {taken_over} taken over; {money_equals_goods(shop)}"


def reply_comes_first(rig: Rig, random: Random, *, times: int = 4) -> str:
    """25: the buyer pays, and the bank's webhook is taken in, before anything is written down of the charge."""
    shop = _open(rig)
    boundaries = ["gateway.charge", "CREATE_ORDER.process_payment.do.after"]
    orders = []
    for number in range(times):
        cart, before = shop.fill(), shop.webhooks()
        shop.stops_at(cart.id, boundaries[number % 2])
        with _meanwhile(shop.check_out, cart, PIX) as answer:
            process = shop.await_stop(cart.id)
            order = shop.order_of(cart)
            assert order is not None
            shop.pay_unseen(order[0])
            shop.await_webhook(before)
            if random.random() < 0.75:
                shop.work()
            os.kill(process, signal.SIGCONT)
        require(answer.result() is not None, "the checkout was not answered")
        orders.append(order[0])
    shop.finish()
    for each in orders:
        shop.becomes(each, "confirmed")
    return f"{times} payments; {money_equals_goods(shop)}"


def unknown_outcome(rig: Rig, random: Random) -> str:
    """26: the gateway does not answer, having charged or not; refunds, too."""
    shop = _open(rig)
    ends: list[str] = []
    for kind in random.sample(["timeout_after", "timeout_before", "error_after", "error_before"], 4):
        cart = shop.fill()
        shop.misbehave(kind)
        answer = shop.check_out(cart, CARD)
        require(answer is not None and answer.status_code == 202, f"{kind}: {answer and answer.text}")
        found = shop.order_of(cart)
        assert found is not None
        _asked_until_known(shop, found[0])
        shop.becomes(found[0], "confirmed")
        ends.append(found[0])
    for order, kind in zip(ends, ("timeout_after", "timeout_before", "error_after"), strict=False):
        shop.misbehave(kind, operation="refund")
        shop.cancel(order)
    shop.finish()
    return money_equals_goods(shop)


def paid_while_undone(rig: Rig, random: Random, *, times: int = 4) -> str:
    """27: the money comes after the compensation began."""
    shop = _open(rig)
    for boundary in random.sample(BACKWARD, times):
        order, before = shop.order(shop.fill(), PIX), shop.webhooks()
        shop.stops_at(order, boundary)
        shop.time_runs_out(order)
        with _meanwhile(shop.work):
            process = shop.await_stop(order)
            shop.pay(order, force=True)
            shop.await_webhook(before)
            if random.random() < 0.75:
                shop.work()
            os.kill(process, signal.SIGCONT)
        shop.finish()
        shop.becomes(order, "cancelled")
    return f"{times} late payments; {money_equals_goods(shop)}"


def compensation_fails(rig: Rig, random: Random) -> str:
    """28: the refund is refused again and again; the others still run, and a person's retry ends it."""
    shop = _open(rig)
    cart = shop.fill()
    shop.misbehave("decline", operation="refund", count=1000)
    shop.deaths.plan(cart.id, ["CREATE_ORDER.convert_cart.do.before"])
    require(shop.check_out(cart, CARD) is None, "the checkout was answered")
    shop.add_a_piece(cart)
    shop.finish()
    found = shop.order_of(cart)
    assert found is not None
    ((parked, status),) = rig.query(PARKED, [found[0]])
    require((parked, status) == (["process_payment"], "PARKED"), f"{status}, {parked} wait for a person")
    ((stock, coupon),) = rig.query(
        "SELECT (SELECT status FROM catalog_service.stock_reservations WHERE id = %s),"
        " (SELECT status FROM promotion_service.redemptions WHERE id = %s)",
        [found[0], found[0]],
    )
    require((stock, coupon, found[1]) == ("released", "released", "failed"), f"{stock}, {coupon}, {found[1]}")
    attempts = rig.number(
        "SELECT count(*) FROM order_service.saga_step s JOIN order_service.saga_instance i ON i.id = s.saga_id"
        " WHERE i.subject = %s AND s.name = 'process_payment' AND s.direction = 'UNDO'",
        [found[0]],
    )
    shop.behave()
    rig.publisher.order("retry_sagas", subject=found[0])
    retried = rig.publisher.answer()["retried"]
    shop.finish()
    return f"parked after {attempts} attempts, then {', '.join(retried)} retried; {money_equals_goods(shop)}"


def cancelled_while_created(rig: Rig, random: Random, *, times: int = 6) -> str:
    """29: the order is cancelled while its saga stands between two things; one of them wins."""
    shop = _open(rig)
    cancelled = 0
    for boundary in random.sample([*FORWARD, "gateway.charge"], times):
        cart = shop.fill()
        shop.stops_at(cart.id, boundary)
        with _meanwhile(shop.check_out, cart, CARD):
            process = shop.await_stop(cart.id)
            found = shop.order_of(cart)
            assert found is not None
            answer = shop.cancel(found[0])
            require(answer is not None and answer.status_code in (200, 409), f"{boundary}: {answer and answer.text}")
            os.kill(process, signal.SIGCONT)
        shop.finish()
        assert answer is not None
        cancelled += answer.status_code == 200
        expected = ("cancelled",) if answer.status_code == 200 else ("confirmed",)
        shop.becomes(found[0], *expected, within=10)
    carts = [shop.fill() for _ in range(times)]
    _together([lambda cart=cart: _bought_and_cancelled(shop, cart) for cart in carts])
    shop.finish()
    return f"{cancelled} of {times} cancelled at a boundary; {money_equals_goods(shop)}"


def paid_in_the_last_moment(rig: Rig, random: Random, *, times: int = 8) -> str:
    """30: time runs out at the moment at which the money comes."""
    shop = _open(rig)
    orders = [shop.order(shop.fill(), PIX) for _ in range(times)]

    def pay(order: str, after: float) -> None:
        time.sleep(after)
        shop.pay(order, force=True)

    for order in orders:
        begun = time.monotonic()
        shop.work()
        span = 2 * (time.monotonic() - begun) + 0.1
        moments = [random.uniform(0, span) for _ in range(3)]
        before = shop.webhooks()
        _together(
            [
                lambda order=order, after=moments[0]: pay(order, after),
                lambda order=order: (shop.time_runs_out(order), shop.work()),
                lambda after=moments[1]: (time.sleep(after), shop.work()),
                lambda after=moments[2]: (time.sleep(after), shop.work()),
            ]
        )
        shop.await_webhook(before)
    shop.finish()
    return f"{times} orders; {money_equals_goods(shop)}"


def old_and_new_code(rig: Rig, random: Random, *, times: int = 3) -> str:
    """31: processes with old and with new code on one database; every order ends under the version it began with."""
    shop = _open(rig, FAULT_CODE="before")
    new = shop.another(FAULT_CODE="after")
    old_orders = [shop.order(shop.fill(), PIX) for _ in range(times)]
    shop.order(shop.fill(), CARD)
    old, shop.web.client = shop.web.client, new.client
    new_orders = [shop.order(shop.fill(), PIX) for _ in range(times)]
    cart = shop.fill()
    shop.deaths.plan(cart.id, [random.choice(FORWARD[:-1])])
    shop.check_out(cart, CARD)
    cut_off = shop.order_of(cart)
    assert cut_off is not None
    shop.web.client = old
    for order in [*old_orders, *new_orders]:
        before = shop.webhooks()
        shop.pay(order)
        shop.await_webhook(before)
    shop.pauses_end()
    for _ in range(5):
        shop.work()
    for order in old_orders:
        shop.becomes(order, "confirmed", within=1)
    for order in new_orders:
        shop.becomes(order, "awaiting_payment", within=1)
    shop.becomes(cut_off[0], "pending", within=1)
    until(lambda: shop.work(by=new) and not _left_to_do(shop), "new code ends it all", within=60)
    for order in [*new_orders, cut_off[0]]:
        shop.becomes(order, "confirmed")
    _walked_as_released(rig, old_orders, version=1, more=set())
    _walked_as_released(rig, new_orders, version=3, more={"look_for_fraud"})
    return f"{times + 1} orders of each; {money_equals_goods(shop)}"


def clocks_of_sagas_wrong(rig: Rig, random: Random) -> str:
    """22a: processes whose clocks are hours wrong run sagas beside one whose clock is right."""
    shop = _open(rig)
    wrong = [shop.another(FAULT_CLOCK_SHIFT=str(3600 * hours)) for hours in (HOURS, -HOURS)]
    waiting = [shop.order(shop.fill(), PIX) for _ in range(2)]
    for each in wrong:
        right, shop.web.client = shop.web.client, each.client
        cart = shop.fill(coupon="")
        shop.stops_at(cart.id, random.choice(WITHOUT_COUPON))
        with _meanwhile(shop.check_out, cart, CARD) as answer:
            process = shop.await_stop(cart.id)
            found = shop.order_of(cart)
            assert found is not None
            ((left,),) = rig.query(LEASE, [found[0]])
            require(0 < left <= 60, f"a lease of {left:.0f} s was taken by a wrong clock")
            for other in wrong:
                shop.work(by=other)
            require(shop.status(found[0]) == "pending", "a lease was taken over that was not over")
            os.kill(process, signal.SIGCONT)
        said = answer.result()
        require(said is not None and said.status_code == 201, f"the checkout was answered by {said and said.text}")
        shop.web.client = right
    for order in waiting:
        shop.becomes(order, "awaiting_payment", within=1)
    shop.pay(waiting[0])
    until(lambda: shop.work() and shop.status(waiting[0]) == "confirmed", "what was paid is confirmed", within=60)
    rig.query("UPDATE order_service.saga_instance SET due_at = clock_timestamp() WHERE subject = %s", [waiting[1]])
    for other in wrong:
        shop.work(by=other)
    shop.becomes(waiting[1], "awaiting_payment", within=1)
    return f"{HOURS} hours ahead and behind; {money_equals_goods(shop, Left(waiting=waiting[1:]))}"


def real_processes(rig: Rig, random: Random) -> str:
    """23a: Granian and Celery themselves are killed in a purchase, a refusal and a cancellation, and started again."""
    shop = rig.shop()
    shop.beat()
    carts = {CARD["card_token"]: shop.fill(), DECLINED["card_token"]: shop.fill()}
    bought = shop.order(shop.fill(), CARD)
    for payment, boundaries in ((CARD, FORWARD), (DECLINED, BACKWARD)):
        cart, boundary = carts[payment["card_token"]], random.choice(boundaries)
        shop.deaths.plan(cart.id, [boundary, "*"])
        require(shop.check_out(cart, payment) is None, f"{boundary}: nobody died")
    shop.deaths.plan(bought, ["CANCEL_ORDER.refund_payments.do.after", "CANCEL_ORDER.*"])
    require(shop.cancel(bought) is None, "nobody died over the cancellation")
    require(shop.web.deaths == 3, f"{shop.web.deaths} deaths of the web server")
    worker = shop.worker()

    def ended() -> bool:
        if worker.revive():
            shop.leases_end()
        return not _left_to_do(shop)

    shop.leases_end()
    until(ended, "all sagas have ended", within=180)
    return f"{shop.web.deaths} deaths of the web server, {worker.deaths} of the worker; {money_equals_goods(shop)}"


# --- inside ----------------------------------------------------------------------------------------------------------
def _open(rig: Rig, **changed: str) -> Shop:
    """Open a shop whose processes die and stop one by one, with a worker for its events."""
    shop = rig.shop(forking=True, **changed)
    rig.start()
    return shop


@contextmanager
def _meanwhile(function: Callable[..., Any], *arguments: Any) -> Iterator[Future[Any]]:
    """Run a function beside the block, and wait for its end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function, *arguments)


def _together(functions: Sequence[Callable[[], object]]) -> None:
    """Run functions at the same moment; raise what one of them raised."""
    start = threading.Barrier(len(functions))

    def one(function: Callable[[], object]) -> None:
        start.wait(timeout=60)
        function()

    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(one, function) for function in functions]:
            future.result()


def _bought_and_cancelled(shop: Shop, cart: Any) -> None:
    """Buy, and cancel as soon as there is an order."""
    with _meanwhile(shop.check_out, cart, CARD):
        found = until(lambda: shop.order_of(cart), "there is an order", within=60)
        shop.cancel(found[0])


def _asked_until_known(shop: Shop, order: str) -> None:
    """Ask about an order as often as it takes, without pauses."""
    until(lambda: (shop.pauses_end(), shop.work()) and shop.status(order) != "pending", "it is known", within=90)


def _left_to_do(shop: Shop) -> int:
    return shop.rig.number(
        "SELECT count(*) FROM order_service.saga_instance WHERE status IN ('RUNNING', 'COMPENSATING')"
        " OR (status = 'WAITING' AND due_at <= clock_timestamp())"
    )


def _walked_as_released(rig: Rig, orders: Sequence[str], *, version: int, more: set[str]) -> None:
    """Check that orders went the steps of their version's released list, those of version 2 for one that is not out."""
    released = ROOT / "docs" / "schemas" / "sagas" / f"CREATE_ORDER.v{min(version, 2)}.json"
    steps = {step["name"] for step in json.loads(released.read_text())["steps"]} | more
    for order in orders:
        require(rig.number(PLACED_UNDER, [order]) == version, "placed under another version")
        walked = {name for (name,) in rig.query(WALKED, [order])}
        require(walked == steps, f"{sorted(walked)} instead of {sorted(steps)}")
