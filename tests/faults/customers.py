"""Customers who go on buying whatever happens, and remember what they were told and how long that took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import httpx

from tests.races.arena import ADDRESS, API, CARD, SHIPPING, SLOW_CARD

NUMBER = 2
THINK_SECONDS = 0.2
PATIENCE = 75.0
NOT_YET = {"202", "409 idempotency_in_flight", "no answer"}
"""After which a customer asks again for the answer to a checkout, under its key."""


@dataclass(frozen=True)
class Told:
    """An answer: ``what`` is the status, and of a refusal the code, too."""

    path: str
    what: str
    at: float
    """When it came, by the monotonic clock."""
    seconds: float


@dataclass
class Customers:
    """``bought`` are the ids of orders that stand."""

    url: str
    variant: str
    coupon: str
    random: Random
    told: list[Told] = field(default_factory=list)
    bought: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    """The first cart that was filled: nobody buys it, so that there is one to look at when none can be filled."""
    _over: threading.Event = field(default_factory=threading.Event)

    def since(self, moment: float) -> list[Told]:
        return [each for each in self.told if each.at >= moment]

    def visit(self) -> None:
        """Buy again and again, until all is over. What was begun is ended."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False) as http:
            while not self._over.wait(THINK_SECONDS):
                self.buy(http, [self.random.choice([CARD, SLOW_CARD])])

    def buy(self, http: httpx.Client, payments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Fill a cart and buy it; return the order, empty if something was refused on the way."""
        cart = self._ask(http, "POST", "carts", {"lines": [{"variant_id": self.variant, "quantity": 1}]})
        if not cart:
            self._look(http)
            return {}
        key = {"X-Cart-Token": cart["token"]}
        wish = {"cart_id": cart["id"], "email": f"{uuid4().hex[:12]}@example.com", "shipping_method": SHIPPING}
        if not self._ask(http, "PUT", f"carts/{cart['id']}/coupon", {"code": self.coupon}, key):
            self._look(http)
            return {}
        priced = self._ask(http, "POST", "checkout/preview", {**wish, "state": ADDRESS["state"]}, key)
        if not priced:
            return {}
        if not self.kept:
            self.kept = cart
            return {}
        body = {**wish, "address": ADDRESS, "payments": payments, "expected_total": priced["total"]}
        order = self._ask(http, "POST", "checkout", body, {**key, "Idempotency-Key": str(uuid4())})
        self.bought += [order["id"]] if order else []
        return order

    def _look(self, http: httpx.Client) -> None:
        """Price the cart that is kept: that asks another service than filling one does."""
        wish = {"cart_id": self.kept["id"], "state": ADDRESS["state"], "shipping_method": SHIPPING}
        self._ask(http, "POST", "checkout/preview", wish, {"X-Cart-Token": self.kept["token"]})

    def _ask(
        self, http: httpx.Client, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the document of a success, else nothing. Ask again as long as the answer is still to come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            begun = time.monotonic()
            what, document = _answer(http, method, f"{API}/{path}", json=body, headers=headers)
            self.told.append(Told(path, what, time.monotonic(), time.monotonic() - begun))
            if what not in NOT_YET or time.monotonic() > deadline:
                return {} if " " in what else document
            time.sleep(THINK_SECONDS)

    def leave(self) -> None:
        self._over.set()


@contextmanager
def buying(customers: Customers, *, number: int = NUMBER) -> Iterator[Customers]:
    """Let so many of them buy at once while the block runs."""
    threads = [threading.Thread(target=customers.visit, name="customer") for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield customers
    finally:
        customers.leave()
        for thread in threads:
            thread.join()


def _answer(http: httpx.Client, method: str, path: str, **request: Any) -> tuple[str, dict[str, Any]]:
    try:
        answer = http.request(method, path, **request)
    except httpx.TransportError:
        return "no answer", {}
    is_json = "json" in answer.headers.get("Content-Type", "")
    document: dict[str, Any] = answer.json() if is_json else {}
    return (
        f"{answer.status_code} {document.get('code', '?')}" if answer.is_error else str(answer.status_code)
    ), document
