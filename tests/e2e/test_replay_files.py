"""The planning of a replay, on rows made up here."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contexts.catalog.domain.imports import DraftProduct, read_products
from contexts.identity.domain import is_tax_id
from ecommerce.money import Money
from tests.e2e.replay import plan
from tests.e2e.replay.audit import lines_differing
from tests.e2e.replay.files import (
    LOCAL_TIME,
    Line,
    Order,
    Payment,
    Place,
    Product,
    Review,
    UnreadableFiles,
    choose,
    lines_of,
    read,
)

CHAIR, TABLE = "c" * 32, "d" * 32
HOME = Place("01310000", "São Paulo", "SP")


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def order(number: int = 1, *, lines: Sequence[tuple[str, int, str]] = ((CHAIR, 1, "10.00"),), **fields: Any) -> Order:
    day = datetime(2018, 1, number, tzinfo=LOCAL_TIME)
    made_up: dict[str, Any] = {
        "id": f"{number:032x}", "customer": "ana", "place": HOME, "status": "delivered", "purchased_at": day,
        "sent_at": day, "arrived_at": day, "payments": (Payment("credit_card", 1, Decimal("12.00")),), "reviews": (),
    }  # fmt: skip
    bought = tuple(Line(product, quantity, brl(price)) for product, quantity, price in lines)
    return Order(lines=bought, **{**made_up, **fields})


def paid(*payments: tuple[str, str]) -> tuple[Payment, ...]:
    return tuple(Payment(type_, 1, Decimal(value)) for type_, value in payments)


# --- batches and prices ----------------------------------------------------------------------------------------------
def test_a_batch_ends_before_an_order_that_needs_another_price() -> None:
    orders = [
        order(1),
        order(2, lines=[(TABLE, 1, "50.00")]),
        order(3, lines=[(CHAIR, 2, "12.00"), (TABLE, 1, "50.00")]),
        order(4, lines=[(CHAIR, 1, "12.00")]),
        order(5, lines=[(CHAIR, 1, "10.00")]),
    ]
    batches = plan.batches_of(orders)
    assert [[each.purchased_at.day for each in batch.orders] for batch in batches] == [[1, 2], [3, 4], [5]]
    assert [batch.prices for batch in batches] == [
        {CHAIR: brl("10.00"), TABLE: brl("50.00")},
        {CHAIR: brl("12.00"), TABLE: brl("50.00")},
        {CHAIR: brl("10.00")},
    ]


def test_orders_without_items_are_in_no_batch() -> None:
    assert plan.batches_of([order(lines=[])]) == []


def test_products_start_at_their_first_price_and_change_only_where_they_must() -> None:
    batches = plan.batches_of([order(1), order(2, lines=[(CHAIR, 1, "12.00"), (TABLE, 1, "50.00")])])
    first = plan.first_prices(batches)
    assert first == {CHAIR: brl("10.00"), TABLE: brl("50.00")}
    assert plan.price_changes(first, batches[1].prices) == {CHAIR: brl("12.00")}


def test_a_sample_is_spread_over_the_orders_and_keeps_their_order() -> None:
    orders = [order(day) for day in range(1, 11)]
    assert [each.purchased_at.day for each in choose(orders, 5)] == [1, 3, 5, 7, 9]
    assert choose(orders, None) == choose(orders, 99) == orders


# --- payments --------------------------------------------------------------------------------------------------------
def test_payments_share_the_merchandise_to_the_cent_in_proportion_to_what_was_paid() -> None:
    mixed = order(
        lines=[(CHAIR, 1, "10.00")], payments=paid(("voucher", "5.00"), ("credit_card", "5.00"), ("voucher", "5.00"))
    )
    shares = plan.shares_of(mixed)
    assert [(share.method, str(share.amount.amount)) for share in shares] == [
        ("voucher", "3.34"), ("card", "3.33"), ("voucher", "3.33"),
    ]  # fmt: skip
    assert plan.value_by_type([mixed, order(2)]) == {
        "card": brl("13.33"), "debit_card": brl("0.00"), "voucher": brl("6.67"), "boleto": brl("0.00"),
    }  # fmt: skip


def test_a_payment_that_gets_no_cent_is_left_out() -> None:
    tiny = order(lines=[(CHAIR, 1, "0.10")], payments=paid(("credit_card", "100.00"), ("voucher", "0.01")))
    assert [share.method for share in plan.shares_of(tiny)] == ["card"]


@pytest.mark.parametrize("payments", [(), paid(("not_defined", "0.00"))])
def test_an_order_without_a_payment_we_know_is_not_payable(payments: tuple[Payment, ...]) -> None:
    with pytest.raises(plan.NotPayable):
        plan.shares_of(order(payments=payments))


def test_a_checkout_says_how_each_payment_is_made() -> None:
    payments = (
        Payment("credit_card", 3, Decimal(5)),
        Payment("voucher", 1, Decimal(5)),
        Payment("boleto", 1, Decimal(5)),
    )
    card, voucher, boleto = plan.payment_bodies(order(lines=[(CHAIR, 1, "30.00")], payments=payments))
    assert (card["card_token"], card["instalments"]) == ("tok_mastercard", 3)
    assert voucher["voucher_code"].startswith("VALE-")
    assert boleto == {"method": "boleto", "amount": {"amount": "10.00", "currency": "BRL"}}


def test_a_made_up_cpf_is_valid_and_always_the_same() -> None:
    numbers = [plan.cpf_of(f"customer {number}") for number in range(200)]
    assert all(is_tax_id(number) for number in numbers)
    assert plan.cpf_of("customer 7") == numbers[7]


# --- customers, products, reviews ------------------------------------------------------------------------------------
def test_a_customer_keeps_every_place_once() -> None:
    work = Place("20040000", "Rio de Janeiro", "RJ")
    orders = [order(1), order(2, place=work), order(3), order(4, customer="bia", place=work)]
    assert plan.places_of(orders) == {"ana": [HOME, work], "bia": [work]}


def test_the_shop_can_import_what_is_written_for_it() -> None:
    products = [Product(CHAIR, "moveis_decoracao", 7150, 500, 450, 190), Product(TABLE, "", 0, 0, 0, 0)]
    text = plan.catalog_csv(products, {CHAIR: brl("10.00"), TABLE: brl("50.00")}, Counter({CHAIR: 3}))
    chair, table = read_products(io.StringIO(text))
    assert isinstance(chair, DraftProduct)
    assert isinstance(table, DraftProduct)
    assert (chair.category, table.category) == (("Moveis decoracao",), ("Sem categoria",))
    assert [(variant.sku, variant.price, variant.stock) for variant in chair.variants + table.variants] == [
        (CHAIR, Decimal("10.00"), 3 + plan.SPARE_PIECES),
        (TABLE, Decimal("50.00"), plan.SPARE_PIECES),
    ]
    assert (chair.variants[0].weight_grams, chair.variants[0].height_mm) == (7150, 190)


def test_a_customer_reviews_a_delivered_product_once() -> None:
    reviews = (Review(5, "", "Ótimo"), Review(1, "", "Quebrou"))
    both = [(CHAIR, 1, "10.00"), (TABLE, 1, "50.00")]
    orders = [
        order(1, lines=both, reviews=reviews),
        order(2, reviews=reviews),
        order(3, customer="bia", reviews=reviews, status="shipped"),
        order(4, customer="caio"),
    ]
    assert plan.expected_reviews(orders) == 2


def test_the_audit_counts_lines_that_are_missing_different_or_too_many() -> None:
    wanted = {"a": order(1, lines=[(CHAIR, 2, "10.00"), (TABLE, 1, "50.00")])}
    good = [("a", CHAIR, 2, Decimal("10.00")), ("a", TABLE, 1, Decimal("50.00"))]
    assert lines_differing(wanted, good) == 0
    assert lines_differing(wanted, good[:1]) == 1
    assert lines_differing(wanted, [*good[:1], ("a", TABLE, 1, Decimal("49.99"))]) == 2
    assert lines_differing(wanted, [*good, good[0]]) == 1


# --- reading ---------------------------------------------------------------------------------------------------------
def test_pieces_of_a_product_become_one_line() -> None:
    items = [
        {"product_id": CHAIR, "price": "10.5"},
        {"product_id": TABLE, "price": "50.0"},
        {"product_id": CHAIR, "price": "10.50"},
    ]
    assert lines_of(items) == (Line(CHAIR, 2, brl("10.50")), Line(TABLE, 1, brl("50.00")))


FILES: dict[str, list[dict[str, str]]] = {
    "customers.csv": [
        {"customer_id": "k1", "customer_unique_id": "ana", "customer_zip_code_prefix": "1310",
         "customer_city": "sao paulo", "customer_state": "SP"},
    ],
    "products.csv": [
        {"product_id": CHAIR, "product_category_name": "bebes", "product_weight_g": "200.0", "product_length_cm": "",
         "product_height_cm": "19", "product_width_cm": "45"},
    ],
    "orders.csv": [
        {"order_id": "late", "customer_id": "k1", "order_status": "unavailable",
         "order_purchase_timestamp": "2018-02-01 10:00:00", "order_approved_at": "",
         "order_delivered_carrier_date": "", "order_delivered_customer_date": "", "order_estimated_delivery_date": ""},
        {"order_id": "early", "customer_id": "k1", "order_status": "canceled",
         "order_purchase_timestamp": "2018-01-01 10:00:00", "order_approved_at": "2018-01-02 10:00:00",
         "order_delivered_carrier_date": "", "order_delivered_customer_date": "",
         "order_estimated_delivery_date": "2018-01-09 00:00:00"},
    ],
    "order_items.csv": [{"order_id": "early", "product_id": CHAIR, "price": "10.0"}] * 2,
    "order_payments.csv": [
        {"order_id": "early", "payment_sequential": "2", "payment_type": "voucher", "payment_installments": "1",
         "payment_value": "4.5"},
        {"order_id": "early", "payment_sequential": "1", "payment_type": "credit_card", "payment_installments": "0",
         "payment_value": "20.0"},
    ],
    "order_reviews.csv": [
        {"review_id": "r", "order_id": "early", "review_score": "4", "review_comment_title": " Bom ",
         "review_comment_message": "linha 1\nlinha 2", "review_creation_date": "2018-01-10 00:00:00"},
    ],
}  # fmt: skip


def written(folder: Path, files: Mapping[str, list[dict[str, str]]]) -> Path:
    for name, rows in files.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def test_files_become_orders_by_time_and_nothing_is_dropped(tmp_path: Path) -> None:
    files = read(written(tmp_path, FILES))
    early, late = files.orders
    assert (early.id, early.purchasable, early.final_status, early.value) == ("early", True, "cancelled", brl("20.00"))
    assert (late.id, late.purchasable) == ("late", False)
    assert early.place == Place("01310000", "Sao Paulo", "SP")
    assert early.payments == (Payment("credit_card", 1, Decimal("20.0")), Payment("voucher", 1, Decimal("4.5")))
    assert early.reviews == (Review(4, "Bom", "linha 1\nlinha 2"),)
    assert early.purchased_at.isoformat() == "2018-01-01T10:00:00-02:00"
    assert (early.sent_at.day, early.arrived_at.day) == (2, 9)
    assert files.products[CHAIR] == Product(CHAIR, "bebes", 200, 0, 450, 190)


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    unknown = {**FILES, "order_items.csv": [{"order_id": "early", "product_id": TABLE, "price": "10.0"}]}
    with pytest.raises(UnreadableFiles, match="1 products"):
        read(written(tmp_path, unknown))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFiles, match=r"customers\.csv"):
        read(tmp_path)
