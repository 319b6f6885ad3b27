"""Measuring in rounds: everything once per round, each beside its floors, so that a slow minute slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from tests.bench import costs, floors, journeys
from tests.bench.load import Action, Result, drive
from tests.bench.shop import CATEGORY, CONTEXTS, Measured

OPEN_MESSAGES = "SELECT count(*) FROM notification_service.messages WHERE status IN ('queued', 'sending')"
SETTLE_SECONDS = 300


@dataclass
class Series:
    """One thing measured once per round."""

    name: str
    rounds: list[Result] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [result.rate for result in self.rounds]

    @property
    def failures(self) -> list[str]:
        return [failure for result in self.rounds for failure in result.failures]

    def milliseconds(self, percentile: int) -> list[float]:
        return [result.milliseconds(percentile) for result in self.rounds]

    def ratios_to(self, floor: Series) -> list[float]:
        return [rate / floor_rate for rate, floor_rate in zip(self.rates, floor.rates, strict=True)]


@dataclass
class Measurements:
    """All series by name, and what a purchase cost each part of the installation, in milliseconds, by round."""

    series: dict[str, Series] = field(default_factory=dict)
    purchase_costs: list[dict[str, float]] = field(default_factory=list)
    settling: list[float] = field(default_factory=list)
    """Purchases per second, from the first request until the last of their events and mails was done."""

    def __getitem__(self, name: str) -> Series:
        return self.series.setdefault(name, Series(name))


def measure(shop: Measured, bare_url: str, *, rounds: int, seconds: float, note: Callable[[str], None]) -> Measurements:
    """Measure everything ``rounds`` times after a short warm-up.

    Raises:
        Silent, TimeoutError
    """
    found = Measurements()
    with shop.administrator() as administrator:
        floors.make_tables(administrator)
        for url, action in _actions(shop, bare_url).values():
            drive(url, action, seconds=min(seconds, 1.0))
        settle(administrator)
        for number in range(1, rounds + 1):
            for name, (url, action) in _actions(shop, bare_url).items():
                note(f"round {number} of {rounds}: {name}")
                if name == "purchase":
                    found[name].rounds.append(_purchases(shop, administrator, action, seconds, found))
                else:
                    found[name].rounds.append(drive(url, action, seconds=seconds))
            note(f"round {number} of {rounds}: checkout SQL")
            found["checkout SQL"].rounds.append(floors.checkouts(shop, seconds=seconds))
    return found


def _actions(shop: Measured, bare_url: str) -> dict[str, tuple[str, Action]]:
    detail = shop.products[0].slug
    return {
        "bare page": (bare_url, journeys.reading("/bare")),
        "list": (shop.url, journeys.reading(journeys.LIST)),
        "list SQL": (bare_url, journeys.reading(f"/list/{CATEGORY}")),
        "detail": (shop.url, journeys.reading(f"{journeys.API}/products/{detail}")),
        "detail SQL": (bare_url, journeys.reading(f"/detail/{detail}")),
        "purchase": (shop.url, journeys.buying(shop.products)),
        "bare purchase": (bare_url, journeys.posting("/bare", journeys.PURCHASE_REQUESTS)),
    }


def _purchases(
    shop: Measured, administrator: psycopg.Connection[object], action: Action, seconds: float, found: Measurements
) -> Result:
    """Buy for twice as long as anything else, then wait until the worker is done, so that it disturbs nothing else."""
    started = time.monotonic()
    with costs.measured(shop) as spent:
        result = drive(shop.url, action, seconds=2 * seconds)
        settle(administrator)
    count = len(result.latencies)
    found.settling.append(count / (time.monotonic() - started))
    found.purchase_costs.append(spent.milliseconds_per(count))
    return result


def settle(administrator: psycopg.Connection[object]) -> None:
    """Wait until no event is under way and no message is waiting to be sent.

    Raises:
        TimeoutError
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    queues = [f"SELECT count(*) FROM {context}_service.outbox_event" for context in CONTEXTS]
    queues += [f"SELECT count(*) FROM pgmq.q_{context}_events" for context in CONTEXTS]
    waiting = " UNION ALL ".join([*queues, OPEN_MESSAGES])
    while any(count for (count,) in administrator.execute(waiting.encode()).fetchall()):  # type: ignore[misc]
        if time.monotonic() > deadline:
            raise TimeoutError(f"events or messages still wait after {SETTLE_SECONDS} s")
        time.sleep(0.05)


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)
