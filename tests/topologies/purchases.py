"""Purchases of all kinds, one after the other: by the same seed the same ones, whatever shape they are played in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

from config.running import DEMO_PASSWORD
from tests.e2e.replay.client import Bank, Login, Refused, Shop, Staff
from tests.e2e.stack import Stack

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.2
SHIPPING = "economico"
PLACE = {"cep": "01310100", "street": "Avenida Paulista", "number": "1000", "district": "Bela Vista",
         "city": "São Paulo", "state": "SP"}  # fmt: skip
DELIVERED_AT = ("2026-11-02T12:00:00Z", "2026-11-05T12:00:00Z")


@dataclass
class Player:
    """Buys as guests and as customers, and does the staff's part. ``answers`` is what the shop said to purchases."""

    shop: Shop
    bank: Bank
    login: Login
    random: Random
    products: list[str]
    settle: Callable[..., None]
    """Waits until nothing of what was done is under way; with ``unpaid=True`` an order may go on waiting for money."""
    answers: list[tuple[Any, ...]] = field(default_factory=list)

    def play(self, number: int) -> None:
        """Play the purchase of this number to its end."""
        KINDS[number % len(KINDS)](self, f"compra-{number:03d}@example.com")
        self.settle()

    # --- carts -------------------------------------------------------------------------------------------------------
    def fill(self, *, coupon: str = "", customer: Login | None = None) -> dict[str, Any]:
        """Put some products into a new cart and return it. What they cost may be too little for the coupon."""
        cart: dict[str, Any] = self.shop.api("POST", "carts", json={}, login=customer)
        headers = {} if customer else {"X-Cart-Token": cart["token"]}
        missing = self.random.randint(1, 3)
        for slug in self.random.sample(self.products, 20):
            missing -= self._add(slug, cart["id"], headers, customer) if missing else 0
        if coupon:
            path = f"carts/{cart['id']}/coupon"
            try:
                self.shop.api("PUT", path, json={"code": coupon}, headers=headers, login=customer)
            except Refused as refused:
                self.answers.append((coupon, refused.status, refused.code))
        return cart

    def _add(self, slug: str, cart: str, headers: Mapping[str, str], customer: Login | None) -> bool:
        """Put one or two pieces of a product into a cart, unless there are none."""
        variant = min(self.shop.api("GET", f"products/{slug}")["variants"], key=lambda each: str(each["sku"]))
        body = {"variant_id": variant["id"], "quantity": self.random.randint(1, 2)}
        try:
            self.shop.api("POST", f"carts/{cart}/lines", json=body, headers=headers, login=customer)
        except Refused as refused:
            self.answers.append((variant["sku"], refused.status, refused.code))
            return False
        return True

    def buy(
        self, email: str, cart: Mapping[str, Any], pay: Callable[[Decimal], list[dict[str, Any]]],
        customer: Login | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Check a cart out and return the order, empty when it is refused."""
        headers = {} if customer else {"X-Cart-Token": cart["token"]}
        wish = {"cart_id": cart["id"], "state": "SP", "shipping_method": SHIPPING, "email": email}
        total = self.shop.api("POST", "checkout/preview", json=wish, headers=headers, login=customer)["total"]
        body = {
            "cart_id": cart["id"], "email": email, "address": {"recipient": "Ana Souza", **PLACE},
            "shipping_method": SHIPPING, "payments": pay(Decimal(total["amount"])), "expected_total": total,
            "payer": {"name": "Ana Souza", "tax_id": "390.533.447-05"},
        }  # fmt: skip
        try:
            order: dict[str, Any] = self.shop.api(
                "POST", "checkout", json=body, headers={**headers, "Idempotency-Key": str(uuid4())}, login=customer,
                ok=(201, 202),
            )  # fmt: skip
        except Refused as refused:
            self.answers.append((email, refused.status, refused.code, total["amount"]))
            return {}
        self.answers.append((email, order["status"], total["amount"], order["total"]["amount"]))
        return order

    def guest(self, email: str, pay: Callable[[Decimal], list[dict[str, Any]]], *, coupon: str = "") -> dict[str, Any]:
        return self.buy(email, self.fill(coupon=coupon), pay)

    def await_status(self, order: Mapping[str, Any], wanted: str) -> None:
        """Wait until an order has a status.

        Raises:
            TimeoutError
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while (status := self.look(order)["status"]) != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"an order is {status} after {WAIT_SECONDS:.0f} s, not {wanted}")
            time.sleep(POLL_SECONDS)

    def look(self, order: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.shop.api("GET", f"orders/{order['id']}", login=self.login)
        return found

    def cancel(self, order: Mapping[str, Any]) -> None:
        headers = {"X-Order-Token": order["access_token"]}
        self.shop.api("POST", f"orders/{order['id']}/cancel", json={"reason": "Desistência"}, headers=headers)


def card(total: Decimal, token: str = "tok_visa") -> list[dict[str, Any]]:
    return [{"method": "card", "card_token": token}]


def declined(total: Decimal) -> list[dict[str, Any]]:
    return card(total, "tok_declined")


def pix(total: Decimal) -> list[dict[str, Any]]:
    return [{"method": "pix"}]


def boleto(total: Decimal) -> list[dict[str, Any]]:
    return [{"method": "boleto"}]


def voucher_and_card(total: Decimal) -> list[dict[str, Any]]:
    part = (total / 3).quantize(Decimal("0.01"))
    amounts = [{"amount": str(each), "currency": "BRL"} for each in (part, total - part)]
    voucher = {"method": "voucher", "voucher_code": "VALE-DIFERENCA", "amount": amounts[0]}
    return [voucher, {**card(total)[0], "amount": amounts[1]}]


# --- kinds -----------------------------------------------------------------------------------------------------------
def paid_by_card(player: Player, email: str) -> None:
    player.guest(email, card)


def card_declined(player: Player, email: str) -> None:
    player.guest(email, declined)


def customers_first_with_coupon(player: Player, email: str) -> None:
    login = player.shop.sign_up(email, "uma-senha-comprida-2026", "Cliente Fiel")
    player.shop.api("POST", "me/addresses", login=login, json={"recipient": "Cliente Fiel", **PLACE})
    player.buy(email, player.fill(coupon="BEMVINDO10", customer=login), card, login)


def pix_paid(player: Player, email: str) -> None:
    order = player.guest(email, pix)
    player.settle(unpaid=True)
    player.bank.pay_pending("pix")
    player.await_status(order, "confirmed")


def pix_given_up(player: Player, email: str) -> None:
    order = player.guest(email, pix)
    player.settle(unpaid=True)
    player.cancel(order)
    player.await_status(order, "cancelled")


def boleto_paid(player: Player, email: str) -> None:
    order = player.guest(email, boleto, coupon="FRETEGRATIS")
    player.settle(unpaid=True)
    player.bank.pay_pending("boleto")
    player.await_status(order, "confirmed")


def cancelled_after_payment(player: Player, email: str) -> None:
    order = player.guest(email, voucher_and_card)
    player.settle()
    player.cancel(order)
    player.await_status(order, "cancelled")


def delivered(player: Player, email: str) -> None:
    order = player.guest(email, card)
    player.settle()
    staff = Staff(player.shop, player.login)
    shipment = staff.ship(order["id"], "Correios", f"BR{email[7:10]}")
    player.settle()
    for status, at in zip(("in_transit", "delivered"), DELIVERED_AT, strict=True):
        staff.track(shipment, status, at)
    player.await_status(order, "delivered")


def refunded_in_part(player: Player, email: str) -> None:
    order = player.guest(email, card, coupon="MENOS50")
    player.settle()
    line = min(player.look(order)["lines"], key=lambda each: each["sku"])
    body = {"lines": [{"line_id": line["id"], "quantity": 1}], "reason": "Veio com defeito"}
    player.shop.api(
        "POST", f"orders/{order['id']}/refunds", login=player.login, json=body, ok=(201, 202),
        headers={"Idempotency-Key": str(uuid4())},
    )  # fmt: skip


def cart_left_behind(player: Player, email: str) -> None:
    player.fill(coupon="FRETEGRATIS")


KINDS: tuple[Callable[[Player, str], None], ...] = (
    paid_by_card, card_declined, customers_first_with_coupon, pix_paid, pix_given_up, boleto_paid,
    cancelled_after_payment, delivered, refunded_in_part, cart_left_behind,
)  # fmt: skip


@contextmanager
def playing(stack: Stack, seed: int, settle: Callable[..., None]) -> Iterator[Player]:
    """Open the shop for purchases, all of them by one seed."""
    with ExitStack() as used:
        shop, bank = Shop(stack.url, connections=1), Bank(stack.psp_url, stack.psp_api_key)
        used.callback(shop.close)
        used.callback(bank.close)
        products = sorted(card["slug"] for card in shop.pages("products?limit=100") if card["available"])
        login = shop.log_in("admin@loja.example", DEMO_PASSWORD)
        yield Player(shop, bank, login, Random(seed), products, settle)
