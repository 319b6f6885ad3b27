"""The files of the Olist dataset, read into orders of this shop. Nothing is dropped: what cannot be bought says so."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from ecommerce.money import Money, total

LOCAL_TIME = ZoneInfo("America/Sao_Paulo")
METHODS = {"credit_card": "card", "debit_card": "debit_card", "voucher": "voucher", "boleto": "boleto"}
"""Our payment method by theirs."""
STATUSES = {"delivered": "delivered", "shipped": "shipped", "canceled": "cancelled"}
"""Our final status by theirs; an order in any other state stays ``confirmed``."""
Row = Mapping[str, str]


class UnreadableFiles(Exception):
    """A file is missing, or a row of it refers to something that no file holds."""


@dataclass(frozen=True)
class Place:
    """Where an order goes: all that the files tell of an address."""

    cep: str
    city: str
    state: str


@dataclass(frozen=True)
class Product:
    id: str
    category: str
    """Theirs, in Portuguese with underscores; empty when they know none."""
    weight_grams: int
    length_mm: int
    width_mm: int
    height_mm: int


@dataclass(frozen=True)
class Line:
    product_id: str
    quantity: int
    price: Money
    """Of one piece."""


@dataclass(frozen=True)
class Payment:
    type: str
    instalments: int
    value: Decimal


@dataclass(frozen=True)
class Review:
    score: int
    title: str
    message: str


@dataclass(frozen=True)
class Order:
    """One order of the files. ``customer`` is the person, who may have several orders; times are aware."""

    id: str
    customer: str
    place: Place
    status: str
    purchased_at: datetime
    sent_at: datetime
    """When the carrier took it, or the best guess where the files do not know."""
    arrived_at: datetime
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...]
    reviews: tuple[Review, ...]

    @property
    def purchasable(self) -> bool:
        """Orders that were given up before picking have no items."""
        return bool(self.lines)

    @property
    def value(self) -> Money:
        """The merchandise; freight is not bought here."""
        return total(line.price * line.quantity for line in self.lines)

    @property
    def final_status(self) -> str:
        return STATUSES.get(self.status, "confirmed")


@dataclass(frozen=True)
class Files:
    """``orders`` by time of purchase."""

    orders: tuple[Order, ...]
    products: Mapping[str, Product]


def read(folder: Path) -> Files:
    """Read all files of ``folder``.

    Raises:
        UnreadableFiles
    """
    try:
        customers = {row["customer_id"]: row for row in _rows(folder / "customers.csv")}
        products = {row["product_id"]: _product(row) for row in _rows(folder / "products.csv")}
        items, payments, reviews = (
            _by_order(folder / f"order_{name}.csv") for name in ("items", "payments", "reviews")
        )
        orders = [
            _order(row, customers[row["customer_id"]], items[row["order_id"]], payments[row["order_id"]],
                   reviews[row["order_id"]])
            for row in _rows(folder / "orders.csv")
        ]  # fmt: skip
    except (OSError, KeyError) as error:
        raise UnreadableFiles(f"{folder}: {error}") from error
    if unknown := {line.product_id for order in orders for line in order.lines} - products.keys():
        raise UnreadableFiles(f"{folder}: {len(unknown)} products are ordered that products.csv does not know")
    return Files(tuple(sorted(orders, key=lambda order: (order.purchased_at, order.id))), products)


def choose(orders: Sequence[Order], count: int | None) -> list[Order]:
    """Return ``count`` of ``orders``, spread evenly over them, so that every season and status has its share."""
    if count is None or count >= len(orders):
        return list(orders)
    return [orders[number * len(orders) // count] for number in range(count)]


def lines_of(items: Sequence[Row]) -> tuple[Line, ...]:
    """Return a line per product and price: the files have a row per piece."""
    pieces: dict[tuple[str, Decimal], int] = defaultdict(int)
    for item in items:
        pieces[item["product_id"], Decimal(item["price"])] += 1
    return tuple(Line(product, count, Money(price)) for (product, price), count in pieces.items())


def _order(row: Row, customer: Row, items: Sequence[Row], payments: Sequence[Row], reviews: Sequence[Row]) -> Order:
    purchased = _time(row["order_purchase_timestamp"])
    sent = row["order_delivered_carrier_date"] or row["order_approved_at"]
    arrived = row["order_delivered_customer_date"] or row["order_estimated_delivery_date"]
    prefix, city, state = (customer[f"customer_{name}"] for name in ("zip_code_prefix", "city", "state"))
    return Order(
        id=row["order_id"],
        customer=customer["customer_unique_id"],
        place=Place(f"{prefix:0>5}000", city.title(), state),
        status=row["order_status"],
        purchased_at=purchased,
        sent_at=_time(sent) if sent else purchased,
        arrived_at=_time(arrived) if arrived else purchased,
        lines=lines_of(items),
        payments=tuple(
            Payment(each["payment_type"], max(int(each["payment_installments"]), 1), Decimal(each["payment_value"]))
            for each in sorted(payments, key=lambda each: int(each["payment_sequential"]))
        ),
        reviews=tuple(
            _review(each)
            for each in sorted(reviews, key=lambda each: (each["review_creation_date"], each["review_id"]))
        ),
    )


def _review(row: Row) -> Review:
    title, message = (row[f"review_comment_{name}"].strip() for name in ("title", "message"))
    return Review(int(row["review_score"]), title, message)


def _product(row: Row) -> Product:
    """Return a product; a measure that the files do not know is zero, as in a shop that never weighed it."""
    weight, *lengths = (
        int(float(row[f"product_{name}"] or 0)) for name in ("weight_g", "length_cm", "width_cm", "height_cm")
    )
    length, width, height = (10 * centimetres for centimetres in lengths)
    return Product(row["product_id"], row["product_category_name"], weight, length, width, height)


def _by_order(file: Path) -> Mapping[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(file):
        rows[row["order_id"]].append(row)
    return rows


def _rows(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        yield from csv.DictReader(opened)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL_TIME)
