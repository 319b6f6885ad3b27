"""What customers do, as flows for the load generator: read a list, read a product, buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.bench.load import Action, Flow, get, post
from tests.bench.shop import CATEGORY, Product

API = "/api/v1"
PURCHASE_REQUESTS = 5
ADDRESS = {
    "recipient": "Ana Maria Braga",
    "cep": "01310100",
    "street": "Avenida Paulista",
    "number": "1578",
    "complement": "4º andar",
    "district": "Bela Vista",
    "city": "São Paulo",
    "state": "SP",
}
LIST = f"{API}/products?category={CATEGORY}&limit=24"


def reading(path: str) -> Action:
    """Return the flow that reads ``path`` once."""
    request = get(path)

    def flow(number: int) -> Flow:
        answer = yield request
        if answer.status != 200:
            answer.json(expect=200)

    return flow


def posting(path: str, times: int) -> Action:
    """Return the flow that posts a body like a checkout's to ``path`` so many times: a purchase that costs nothing."""
    request = post(path, {"address": ADDRESS, "payments": [CARD]})

    def flow(number: int) -> Flow:
        for _ in range(times):
            answer = yield request
            if answer.status != 200:
                answer.json(expect=200)

    return flow


CARD = {"method": "card", "card_token": "tok_visa", "card_brand": "visa", "card_last4": "4242"}


def buying(products: Sequence[Product]) -> Action:
    """Return a whole purchase as a frontend makes it: a guest, two products, five requests, paid by card.

    It returns the order's id.
    """

    def flow(number: int) -> Flow:
        pair = [products[number % len(products)], products[(number + 7) % len(products)]]
        ready = yield from fill_cart(pair, number)
        answer = yield ready.checkout()
        return answer.json(expect=201)["id"]

    return flow


@dataclass(frozen=True)
class ReadyCart:
    """A cart of a guest that was priced and can be bought."""

    id: str
    token: str
    total: Any
    number: int

    def checkout(self) -> bytes:
        body = {
            "cart_id": self.id,
            "email": f"guest-{self.number}@example.com",
            "address": ADDRESS,
            "shipping_method": "economico",
            "payments": [CARD],
            "expected_total": self.total,
        }
        return post(f"{API}/checkout", body, X_Cart_Token=self.token, Idempotency_Key=str(uuid4()))


def fill_cart(products: Sequence[Product], number: int) -> Any:
    """Open a cart, put one piece of each product into it and price it; a part of a flow that returns ReadyCart."""
    cart = (yield post(f"{API}/carts", {})).json(expect=201)
    token = cart["token"]
    for product in products:
        body = {"variant_id": product.variant_id, "quantity": 1}
        (yield post(f"{API}/carts/{cart['id']}/lines", body, X_Cart_Token=token)).json(expect=200)
    body = {"cart_id": cart["id"], "state": "SP", "shipping_method": "economico"}
    priced = (yield post(f"{API}/checkout/preview", body, X_Cart_Token=token)).json(expect=200)
    return ReadyCart(cart["id"], token, priced["total"], number)
