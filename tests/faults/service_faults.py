"""Faults of an installation in six services: one of them is away for a while, the keys of their calls change."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from random import Random
from typing import Any, LiteralString

import httpx

from tests.faults.customers import Customers, buying
from tests.faults.invariants import require
from tests.faults.processes import until
from tests.faults.rig import Rig
from tests.faults.six import Six
from tests.races.arena import API, CARD

PIX = {"method": "pix"}
PIECES = 5000
CALLERS = ("order", "cart")
INTERFACES = {"catalog": "CatalogInterface", "promotion": "PromotionInterface"}
UNDOES = {"catalog": "reserve_inventory", "promotion": "validate_coupon"}
"""The step of CREATE_ORDER whose undo needs a service."""
UNANSWERED = 12
"""More attempts than an undo has that fails (``Retry.undo_attempts``)."""
QUICK, SLOW = 1.0, 5.0
"""Seconds in which most answers come, on a machine that is busy with many processes; and in which all do."""
BREAKER_SECONDS = 5.0
"""``CALLS_BREAKER_SECONDS``, for which an open circuit lets nobody try."""
PROCESSES = 2
"""Of a service: web and worker, each with a circuit of its own."""
REFUSED = "503 unreachable"
GOOD = {"200", "201", "202"}

TIME_OUT: LiteralString = """
    UPDATE {schema}.payment_attempts SET expires_at = clock_timestamp() - interval '1 s'
    WHERE order_id = ANY(%s::uuid[]) RETURNING 1
"""
DUE: LiteralString = """
    UPDATE {schema}.saga_instance SET due_at = clock_timestamp()
    WHERE subject = ANY(%s::uuid[]) AND lease_owner IS NULL AND status IN ('WAITING', 'COMPENSATING') RETURNING 1
"""
UNDONE_IN_VAIN: LiteralString = """
    SELECT i.subject::text, i.status, count(s.id) FROM {schema}.saga_instance i
    LEFT JOIN {schema}.saga_step s ON s.saga_id = i.id AND s.direction = 'UNDO' AND s.name = %s AND s.status = 'FAILED'
    WHERE i.subject = ANY(%s::uuid[]) AND i.saga_type = 'CREATE_ORDER' GROUP BY i.id
"""
STATUSES: LiteralString = "SELECT status, count(*) FROM {schema}.orders WHERE id = ANY(%s::uuid[]) GROUP BY 1"


def killed_for_a_while(rig: Rig, random: Random) -> str:
    """32: a service is killed with its worker and its scheduler while people buy, and is started again."""
    return _away_for_a_while(Six(rig), random, stands_still=False)


def standing_still_for_a_while(rig: Rig, random: Random) -> str:
    """32a: the same, but it stands still: whoever calls it is not refused, but left waiting."""
    return _away_for_a_while(Six(rig), random, stands_still=True)


def _away_for_a_while(six: Six, random: Random, *, stands_still: bool) -> str:
    victim, arena = random.choice(sorted(UNDOES)), six.arena
    [variant] = arena.offer(pieces=PIECES, price="30.00")
    shop = Customers(six.stack.url, variant, arena.coupon("10.00", usage_limit=PIECES), random)
    with httpx.Client(base_url=six.stack.url, timeout=60, trust_env=False) as http:
        shop.buy(http, [CARD])
        waiting, confirmed = ([shop.buy(http, [payment]) for _ in range(3)] for payment in (PIX, CARD))
        with buying(shop):
            until(lambda: len(shop.bought) > 10, "people buy", within=60)
            (six.stop if stands_still else six.kill)(victim)
            gone = time.monotonic()
            until(lambda: all(six.breaker(each, victim) == 2 for each in CALLERS), "circuits open", within=60,
                  state=lambda: str({each: six.breaker(each, victim) for each in CALLERS}))  # fmt: skip
            opened, before = time.monotonic(), _calls(six, victim)
            others = _others_are_not_affected(six, http, confirmed[0], victim)
            for order in confirmed[:2]:
                require(_cancel(http, order) == 200, "an order could not be cancelled without it")
            vain = _undone_in_vain(six, [order["id"] for order in waiting], UNDOES[victim])
            until(lambda: six.backlog(victim), "its events wait for it", within=30)
            told, made = shop.since(opened), _calls(six, victim) - before
            away = time.monotonic() - opened
            six.bring_back(victim)
            back = len(shop.bought)
            until(lambda: len(shop.bought) > back + 5, "people buy again", within=90)
            until(lambda: not any(six.breaker(each, victim) for each in CALLERS), "circuits close", within=60)
    _refusals_are_quick(told)
    _few_try(made, away)
    arena.audit()
    require(not six.backlog(victim), f"{six.backlog(victim)} of its events are left")
    ended = dict(arena.books.rows("order", STATUSES, [[order["id"] for order in waiting]]))
    require(ended == {"cancelled": 3}, f"orders whose time ran out meanwhile are {ended}")
    refused = sum(each.what == REFUSED for each in told)
    return (
        f"{victim} away for {opened - gone + away:.0f} s: {refused} refusals, p50 {others:.0f} ms elsewhere, "
        f"{vain} undos in vain; {len(shop.bought)} orders"
    )


def _calls(six: Six, neighbour: str) -> Counter[str]:
    """Return how the calls of all callers to a neighbour have ended."""
    ends: Counter[str] = Counter()
    for caller in CALLERS:
        for labels, count in six.figures(caller, "calls_total").items():
            if INTERFACES[neighbour] in labels:
                ends[labels.partition('outcome="')[2].partition('"')[0]] += int(count)
    return ends


def _others_are_not_affected(
    six: Six, http: httpx.Client, order: dict[str, Any], victim: str, *, times: int = 5
) -> float:
    """Ask what does not need the service; return the median in milliseconds."""
    staff = {"Authorization": f"Bearer {six.arena.login.access}"}
    asked: list[tuple[str, dict[str, str]]] = [
        (f"orders/{order['id']}", {"X-Order-Token": order["access_token"]}),
        ("staff/orders?limit=5", staff),
        ("me", staff),
        ("products?limit=5", {}) if victim != "catalog" else ("coupons?limit=5", staff),
    ]
    seconds = []
    for path, headers in asked * times:
        begun = time.monotonic()
        status = http.get(f"{API}/{path}", headers=headers).status_code
        seconds.append(time.monotonic() - begun)
        require(status == 200, f"{path} is answered by {status} without {victim}")
    require(statistics.median(seconds) < QUICK and max(seconds) < SLOW, f"{max(seconds):.1f} s without {victim}")
    return statistics.median(seconds) * 1000


def _cancel(http: httpx.Client, order: dict[str, Any]) -> int:
    headers = {"X-Order-Token": order["access_token"]}
    return http.post(f"{API}/orders/{order['id']}/cancel", json={"reason": "Desistência"}, headers=headers).status_code


def _undone_in_vain(six: Six, orders: list[str], step: str) -> int:
    """Let the time of orders run out, so that they are undone, again and again without pauses; none may be given up.
    Return how often it was tried."""
    books = six.arena.books
    books.rows("order", TIME_OUT, [orders])

    def tried() -> bool:
        books.rows("order", DUE, [orders])
        found = books.rows("order", UNDONE_IN_VAIN, [step, orders])
        require(all(status != "PARKED" for _, status, _ in found), f"given up: {found}")
        return all(count >= UNANSWERED for *_, count in found)

    until(tried, f"{step} is undone in vain", within=180,
          state=lambda: str(books.rows("order", UNDONE_IN_VAIN, [step, orders])))  # fmt: skip
    return sum(count for *_, count in books.rows("order", UNDONE_IN_VAIN, [step, orders]))


def _refusals_are_quick(told: list[Any]) -> None:
    """While the circuit is open customers are told so by a stable code, and at once but for those who try."""
    unexpected = Counter(each.what for each in told if each.what not in {*GOOD, REFUSED})
    require(not unexpected, f"customers were told {dict(unexpected)}")
    seconds = [each.seconds for each in told if each.what == REFUSED]
    require(len(seconds) > 20, f"{len(seconds)} refusals only")
    require(statistics.median(seconds) < QUICK, f"half of the refusals took {statistics.median(seconds):.1f} s")
    require(max(seconds) < SLOW, f"a refusal took {max(seconds):.1f} s")


def _few_try(made: Counter[str], seconds: float) -> None:
    """An open circuit lets one call try after each pause, and half open no other."""
    tried = made["timeout"] + made["unreachable"] + made["unavailable"]
    most = len(CALLERS) * PROCESSES * (seconds / BREAKER_SECONDS + 1)
    require(0 < tried <= most, f"{tried} calls tried in {seconds:.0f} s, {most:.0f} may")
    require(made["open"] > 0, "no call was refused by an open circuit")
