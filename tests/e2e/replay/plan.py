"""What is to be done with the orders of the files: in which batches, at which prices, paid how. Pure functions."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from contexts.catalog.domain.imports import COLUMNS
from ecommerce.money import Money, total
from tests.e2e.replay.files import METHODS, Order, Place, Product

NO_CATEGORY = "Sem categoria"
SPARE_PIECES = 5
"""Stock beyond what the orders need, so that the last piece is nothing special."""
FIRST_BRANDS = ("visa", "mastercard")


class NotPayable(Exception):
    """The files give no payment method that this shop knows."""


@dataclass(frozen=True)
class Batch:
    """Consecutive orders in which every product has one price, and those prices."""

    orders: tuple[Order, ...]
    prices: Mapping[str, Money]


@dataclass(frozen=True)
class Share:
    """One payment of an order: a part of the merchandise value."""

    method: str
    instalments: int
    amount: Money


def batches_of(orders: Iterable[Order]) -> list[Batch]:
    """Group purchasable orders, given by time, into the fewest consecutive batches with one price per product."""
    batches: list[Batch] = []
    chosen: list[Order] = []
    prices: dict[str, Money] = {}
    for order in (order for order in orders if order.purchasable):
        wanted = {line.product_id: line.price for line in order.lines}
        if any(prices.get(product, price) != price for product, price in wanted.items()):
            batches.append(Batch(tuple(chosen), prices))
            chosen, prices = [], {}
        chosen.append(order)
        prices |= wanted
    return [*batches, Batch(tuple(chosen), prices)] if chosen else batches


def first_prices(batches: Iterable[Batch]) -> dict[str, Money]:
    """Return the price each product is sold at first."""
    first: dict[str, Money] = {}
    for batch in batches:
        first = {**batch.prices, **first}
    return first


def price_changes(current: Mapping[str, Money], wanted: Mapping[str, Money]) -> dict[str, Money]:
    """Return the prices of ``wanted`` that are not the current ones."""
    return {product: price for product, price in wanted.items() if current.get(product) != price}


def pieces_of(orders: Iterable[Order]) -> Counter[str]:
    """Return how many pieces of each product the orders need."""
    pieces: Counter[str] = Counter()
    for order in orders:
        for line in order.lines:
            pieces[line.product_id] += line.quantity
    return pieces


def places_of(orders: Iterable[Order]) -> dict[str, list[Place]]:
    """Return the places each customer has things sent to, in the order of the purchases."""
    places: defaultdict[str, dict[Place, None]] = defaultdict(dict)
    for order in orders:
        places[order.customer].setdefault(order.place)
    return {customer: list(known) for customer, known in places.items()}


def shares_of(order: Order) -> list[Share]:
    """Split the merchandise value over the order's payments in proportion to what was paid by each.

    To the cent, by the largest remainder; payments that get nothing are left out.

    Raises:
        NotPayable
    """
    unknown = {payment.type for payment in order.payments} - METHODS.keys()
    if unknown or not order.payments:
        raise NotPayable(f"paid by {', '.join(sorted(unknown)) or 'nothing'}")
    amounts = order.value.allocate([payment.value for payment in order.payments])
    return [
        Share(METHODS[payment.type], payment.instalments, amount)
        for payment, amount in zip(order.payments, amounts, strict=True)
        if amount
    ]


def payment_bodies(order: Order) -> list[dict[str, Any]]:
    """Return what the checkout is sent for the payments of ``order``.

    Raises:
        NotPayable
    """
    return [_payment_body(order, number, share) for number, share in enumerate(shares_of(order), start=1)]


def _payment_body(order: Order, number: int, share: Share) -> dict[str, Any]:
    body: dict[str, Any] = {
        "method": share.method,
        "amount": {"amount": str(share.amount.amount), "currency": share.amount.currency},
    }
    match share.method:
        case "card" | "debit_card":
            brand = FIRST_BRANDS[int(order.id, 16) % len(FIRST_BRANDS)]
            body |= {"card_token": f"tok_{brand}", "card_brand": brand}
            body["instalments"] = share.instalments if share.method == "card" else 1
        case "voucher":
            body["voucher_code"] = f"VALE-{order.id[:8]}-{number}"
    return body


def value_by_type(orders: Iterable[Order]) -> dict[str, Money]:
    """Return the merchandise value of all payable orders by payment method."""
    by_type: dict[str, list[Money]] = {method: [] for method in METHODS.values()}
    for order in orders:
        for share in shares_of(order):
            by_type[share.method].append(share.amount)
    return {method: total(amounts) for method, amounts in by_type.items()}


def cpf_of(customer: str) -> str:
    """Return a valid CPF made up from a customer's id: nine digits and the two that check them."""
    digits = [byte % 10 for byte in sha256(customer.encode()).digest()[:9]]
    for _ in range(2):
        weighted = sum(digit * weight for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
        digits.append(weighted * 10 % 11 % 10)
    return "".join(map(str, digits))


def catalog_csv(products: Sequence[Product], prices: Mapping[str, Money], pieces: Mapping[str, int]) -> str:
    """Return ``products`` as a file in the shop's own import format, with enough stock for ``pieces``."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    for product in products:
        category = product.category.replace("_", " ").capitalize() or NO_CATEGORY
        writer.writerow(
            {
                "handle": product.id, "name": f"{category} {product.id[:8]}", "category": category, "status": "active",
                "sku": product.id, "price": prices[product.id].amount, "weight_grams": product.weight_grams,
                "length_mm": product.length_mm, "width_mm": product.width_mm, "height_mm": product.height_mm,
                "stock": pieces[product.id] + SPARE_PIECES,
            }
        )  # fmt: skip
    return file.getvalue()


def expected_reviews(orders: Iterable[Order]) -> int:
    """Return how many reviews the shop must hold: one per customer and delivered product that was reviewed."""
    reviewed = {
        (order.customer, line.product_id)
        for order in orders
        if order.status == "delivered" and order.reviews
        for line in order.lines
    }
    return len(reviewed)


def zero() -> Money:
    return Money(Decimal(0))
