"""The phases of a run: stock the shop, open accounts, buy, pay, ship, cancel, review, and wait until all is quiet."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from ecommerce.money import Money
from tests.e2e.replay import plan
from tests.e2e.replay.books import Books, Subscriptions
from tests.e2e.replay.client import Bank, Buyer, Customer, Refused, Shop, Staff
from tests.e2e.replay.files import Files, Order
from tests.e2e.replay.mailbox import Mailbox
from tests.e2e.replay.plan import Batch
from tests.e2e.replay.progress import Display, Phase

T = TypeVar("T")
SHIPPING = "frete-incluso"
CARRIER = "Correios"
PAYMENT_SECONDS = 180.0
REVIEW_SECONDS = 180.0
SETTLE_SECONDS = 900.0
POLL_SECONDS = 0.5
PRICES_AT_ONCE = 1_000


class TooLate(Exception):
    """Something that must happen by itself did not happen in time."""


@dataclass(frozen=True)
class Refusal:
    """Something of the files that the shop did not take, and what it said."""

    what: str
    id: str
    code: str
    detail: str


@dataclass(frozen=True)
class Sold:
    """A product of the files, as the shop names it."""

    product: str
    variant: str


@dataclass
class Outcome:
    """What became of the files; the audit compares it with the databases. Dictionaries are by the files' ids."""

    customers: dict[str, Customer] = field(default_factory=dict)
    products: dict[str, Sold] = field(default_factory=dict)
    bought: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    reviews: Counter[str] = field(default_factory=Counter)

    def refuse(self, what: str, id_: str, error: Exception) -> None:
        code = error.code if isinstance(error, Refused) else type(error).__name__
        self.refusals.append(Refusal(what, id_, code, getattr(error, "detail", str(error))))


class Replay:
    """One run over ``orders``, which are given by time of purchase."""

    def __init__(self, files: Files, orders: Sequence[Order], shop: Shop, bank: Bank, display: Display, *,
                 buyers: int) -> None:  # fmt: skip
        self.orders = orders
        self.outcome = Outcome()
        self._files = files
        self._batches = plan.batches_of(orders)
        self._shop = shop
        self._buyer = Buyer(shop)
        self._bank = bank
        self._display = display
        self._threads = buyers
        self._prices: dict[str, Money] = {}
        self._counting = threading.Lock()

    def stock_the_shop(self, staff: Staff, *, every_product: bool) -> None:
        """Offer the shipping method and import the products, each at its first price."""
        with self._display.phase("products"):
            staff.put_free_shipping(SHIPPING)
            self._prices = plan.first_prices(self._batches)
            pieces = plan.pieces_of(self.orders)
            wanted = self._files.products if every_product else self._prices
            never_sold = wanted.keys() - self._prices.keys()
            for product in sorted(never_sold):
                self.outcome.refusals.append(Refusal("product", product, "no_price", "no order of the files holds it"))
            products = [self._files.products[product] for product in wanted if product not in never_sold]
            report = staff.import_products(plan.catalog_csv(products, self._prices, pieces))
            for row in report["rejected"]:
                product_id = products[row["line"] - 2].id
                self.outcome.refusals.append(Refusal("product", product_id, row["code"], row["detail"]))
            for card in self._shop.pages("products?limit=100"):
                self.outcome.products[card["slug"]] = Sold(card["id"], card["variant_id"])

    def open_accounts(self) -> None:
        """Register every customer with the places that things are sent to."""
        places = plan.places_of(self.orders)

        def register(customer: str) -> None:
            try:
                self.outcome.customers[customer] = self._buyer.register(
                    f"{customer}@olist.example", secrets.token_urlsafe(12), f"Cliente {customer[:8]}", places[customer]
                )
            except (Refused, httpx.TransportError) as error:
                self.outcome.refuse("customer", customer, error)

        with self._display.phase("accounts", len(places)) as phase:
            self._in_parallel(places, register, phase)

    def buy(self, staff: Staff) -> None:
        """Buy batch after batch, each at its prices; boletos are paid at the end of each."""
        with self._display.phase("purchases", sum(len(batch.orders) for batch in self._batches)) as phase:
            for batch in self._batches:
                self._change_prices(staff, batch)
                self._in_parallel(batch.orders, self._buy, phase)
                self._bank.pay_boletos()

    def await_payments(self, staff: Staff) -> None:
        """Wait until the shop has learnt of every payment.

        Raises:
            TooLate
        """
        with self._display.phase("payments") as phase:
            deadline = time.monotonic() + PAYMENT_SECONDS
            while waiting := [status for status in ("pending", "awaiting_payment") if staff.any_order(status)]:
                if time.monotonic() > deadline:
                    raise TooLate(f"after {PAYMENT_SECONDS:.0f} s some orders are still {' or '.join(waiting)}")
                phase.say(f"some orders are {' or '.join(waiting)}")
                time.sleep(POLL_SECONDS)

    def fulfil(self, staff: Staff) -> None:
        """Ship, deliver and cancel as the files say."""
        moved = [order for order in self._bought() if order.final_status != "confirmed"]

        def fulfil(order: Order) -> None:
            try:
                if order.final_status == "cancelled":
                    customer = self.outcome.customers[order.customer]
                    self._buyer.cancel(customer, self.outcome.bought[order.id], "Desistência, como nos arquivos")
                else:
                    _ship(staff, order, self.outcome.bought[order.id])
            except (Refused, httpx.TransportError) as error:
                self.outcome.refuse(order.final_status, order.id, error)

        with self._display.phase("fulfilment", len(moved)) as phase:
            self._in_parallel(moved, fulfil, phase)

    def review(self) -> None:
        """Write the reviews of delivered orders, for each of their products. Others are not allowed and not sent."""
        bought = self._bought()
        self.outcome.reviews["not_allowed"] = sum(
            len(order.reviews) for order in self.orders if order.status != "delivered"
        )
        by_person = [
            (order, number) for order in bought if order.status == "delivered" for number in range(len(order.reviews))
        ]
        deadline = time.monotonic() + REVIEW_SECONDS
        with self._display.phase("reviews", len(by_person)) as phase:
            self._in_parallel(by_person, lambda each: self._review(*each, deadline), phase)

    def settle(self, books: Books, subscriptions: Subscriptions, mailbox: Mailbox) -> None:
        """Wait until nothing moves any more: no event, saga, webhook or message is under way, and the mail is out.

        Raises:
            TooLate
        """
        with self._display.phase("settling") as phase:
            deadline = time.monotonic() + SETTLE_SECONDS
            while True:
                moving = books.unsettled(subscriptions)
                if missing := len(self.outcome.customers) - mailbox.received().others:
                    moving["account mails"] = missing
                if not moving:
                    return
                waiting = ", ".join(f"{name} {count}" for name, count in moving.items())
                if time.monotonic() > deadline:
                    raise TooLate(f"after {SETTLE_SECONDS:.0f} s there is still: {waiting}")
                phase.say(waiting)
                time.sleep(POLL_SECONDS)

    def _bought(self) -> list[Order]:
        return [order for order in self.orders if order.id in self.outcome.bought]

    def _change_prices(self, staff: Staff, batch: Batch) -> None:
        changes = plan.price_changes(self._prices, batch.prices)
        names = list(changes)
        for start in range(0, len(names), PRICES_AT_ONCE):
            part = {name: changes[name] for name in names[start : start + PRICES_AT_ONCE]}
            report = staff.change_prices(part)
            for row in report["rejected"]:
                name = list(part)[row["row"]]
                self.outcome.refusals.append(Refusal("price", name, row["code"], row["detail"]))
        self._prices |= changes

    def _buy(self, order: Order) -> None:
        try:
            customer = self.outcome.customers[order.customer]
            lines = [(self.outcome.products[line.product_id].variant, line.quantity) for line in order.lines]
            body = {
                "address_id": customer.addresses[order.place],
                "shipping_method": SHIPPING,
                "payments": plan.payment_bodies(order),
                "payer": {"name": customer.name, "tax_id": plan.cpf_of(order.customer)},
                "expected_total": {"amount": str(order.value.amount), "currency": order.value.currency},
            }
            cart = self._buyer.fill_cart(customer, lines)
            self.outcome.bought[order.id] = self._buyer.check_out(customer, order.id, {**body, "cart_id": cart})
        except (Refused, plan.NotPayable, httpx.TransportError) as error:
            self.outcome.refuse("order", order.id, error)
        except KeyError as error:
            self.outcome.refuse("order", order.id, LookupError(f"the shop lacks its customer or product {error}"))

    def _review(self, order: Order, number: int, deadline: float) -> None:
        """Write one review for each product of an order; the delivery may not have reached the catalog yet."""
        review, customer = order.reviews[number], self.outcome.customers[order.customer]
        body = {"rating": review.score, "title": review.title, "body": review.message}
        for product in sorted({line.product_id for line in order.lines}):
            while True:
                try:
                    self._buyer.review(customer, self.outcome.products[product].product, body)
                    self._count("written")
                    break
                except (Refused, httpx.TransportError) as error:
                    code = error.code if isinstance(error, Refused) else ""
                    if code == "already_reviewed":
                        self._count(code)
                        break
                    if code != "not_purchased" or time.monotonic() > deadline:
                        self.outcome.refuse("review", f"{order.id} {product}", error)
                        break
                time.sleep(POLL_SECONDS)

    def _count(self, name: str) -> None:
        with self._counting:
            self.outcome.reviews[name] += 1

    def _in_parallel(self, items: Iterable[T], work: Callable[[T], None], phase: Phase) -> None:
        """Work on all items with as many threads as there are buyers, begun in order; the first error ends the run."""
        with ThreadPoolExecutor(self._threads) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in as_completed(futures):
                    future.result()
                    phase.advance()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _ship(staff: Staff, order: Order, order_id: str) -> None:
    parcel = staff.ship(order_id, CARRIER, f"OL{order.id.upper()}")
    if order.final_status == "delivered":
        staff.track(parcel, "in_transit", order.sent_at.isoformat())
        staff.track(parcel, "delivered", order.arrived_at.isoformat())
