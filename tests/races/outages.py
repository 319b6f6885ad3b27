"""Races against an outage: the mail server is down, web processes are killed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from uuid import uuid4

from tests.bench.load import Answer
from tests.races.arena import CARD, POLL_SECONDS, SLOW_CARD, Arena, counted, outcome_of, require, told
from tests.races.crowd import Sent

DECLINED = {"method": "card", "card_token": "tok_declined"}
CUT_OFF = {"no answer", "503 unreachable"}
"""What is told of a process that died, by nobody or by a gateway or a service that had asked it."""
NOT_YET = {*CUT_OFF, "202", "409 idempotency_in_flight"}
"""Outcomes after which a buyer asks again, under the same key."""
FINAL = {"201", "402 payment_declined", "409 out_of_stock", "409 coupon_refused"}
RECOVERY_SECONDS = 240.0
"""A worker takes a saga over once the lease of its step is over, a minute later."""
SPREAD_SECONDS = 10.0
FAILED_DELIVERIES = """
    SELECT count(*) FROM {schema}.messages WHERE created_at >= %s AND kind = 'order_confirmed' AND attempts > 0
"""


def mail_server_down(arena: Arena, random: Random, *, buyers: int = 10) -> str:
    """No mail server while many buy: every checkout succeeds, and every mail arrives once it is back."""
    assert arena.post is not None
    [variant] = arena.offer(pieces=buyers, price="18.88")
    carts = arena.fill([{variant: 1}] * buyers)
    arena.post.stop()
    try:
        before = arena.post.received()
        answers = arena.crowd.rush([cart.checkout(payments=[random.choice([CARD, SLOW_CARD])]) for cart in carts])
        require(counted(answers) == Counter({"201": buyers}), told(counted(answers)))
        arena.wait(
            lambda: arena.books.rows("notification", FAILED_DELIVERIES, [arena.scene.since])[0][0] == buyers,
            "every mail was tried in vain",
        )
        require(arena.post.received() == before, "a mail arrived at a server that was down")
    finally:
        arena.post.start()
    evidence = arena.audit()
    arrived = sum(len(order.confirmations) for order in evidence.orders.values())
    return f"{told(counted(answers))} without a mail server; {arrived} mails once it was back"


def web_processes_killed(arena: Arena, random: Random, *, buyers: int = 30, kills: int = 6) -> str:
    """Web processes die at random moments while many buy: whoever asks again gets an answer, and all books agree."""
    [variant] = arena.offer(pieces=buyers * 2 // 3, price="71.17")
    code = arena.coupon("10.00", usage_limit=buyers // 4)
    carts = arena.fill([{variant: 1}] * (buyers // 2), coupon=code) + arena.fill([{variant: 1}] * (buyers // 2))
    cards = [CARD, SLOW_CARD, SLOW_CARD, SLOW_CARD, DECLINED]
    requests = [cart.checkout(str(uuid4()), payments=[random.choice(cards)]) for cart in carts]
    volley = [Sent(request, random.uniform(0, SPREAD_SECONDS)) for request in requests]
    with _killing(arena, random, kills):
        answers = arena.crowd.rush(volley)
    cut_off = sum(counted(answers)[outcome] for outcome in CUT_OFF)
    asked = _until_final(arena, requests, answers)
    require(set(counted(answers)) <= FINAL, told(counted(answers)))
    evidence = arena.audit()
    sold = [order for order in evidence.orders.values() if order.status == "confirmed"]
    require(len(sold) == counted(answers)["201"], f"{len(sold)} orders stand, {told(counted(answers))}")
    return f"{kills} kills, {cut_off} cut off, asked {asked} times again: {told(counted(answers))}"


@contextmanager
def _killing(arena: Arena, random: Random, kills: int) -> Iterator[None]:
    """Kill so many web processes, each at a random moment, while the block runs."""
    pauses = [random.uniform(0.2, 2 * SPREAD_SECONDS / kills) for _ in range(kills)]

    def kill() -> None:
        for pause in pauses:
            time.sleep(pause)
            while not arena.kill_a_web_process(random):
                time.sleep(POLL_SECONDS)

    killer = threading.Thread(target=kill, name="killer")
    killer.start()
    try:
        yield
    finally:
        killer.join()


def _until_final(arena: Arena, requests: Sequence[bytes], answers: list[Answer]) -> int:
    """Make the requests that have no final answer again until they have, and return how many were made."""
    made = 0

    def final() -> bool:
        nonlocal made
        open_ = [place for place, answer in enumerate(answers) if outcome_of(answer) in NOT_YET]
        for place, answer in zip(open_, arena.crowd.rush([requests[place] for place in open_]), strict=True):
            answers[place] = answer
        made += len(open_)
        return not any(outcome_of(answer) in NOT_YET for answer in answers)

    arena.wait(
        final, "every buyer has an answer", within=RECOVERY_SECONDS, every=1.0, state=lambda: told(counted(answers))
    )
    return made
