import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.promotion.domain import (
    BasketInvalid,
    DiscountKind,
    Refusal,
    Rule,
    Window,
    coupon_refusal,
    customer_keys,
    normalised_code,
    quote,
)
from contexts.promotion.interface import Basket, Quote
from ecommerce.ids import new_id
from ecommerce.money import Money
from tests.contexts.promotion.factories import basket, brl, line, rule

NOW = datetime(2030, 5, 1, tzinfo=UTC)
SHOES, HATS = new_id(), new_id()
BOOT, CAP = new_id(), new_id()


def quoted(basket: Basket, *rules: Rule, first_purchase: bool = True, refusal: Refusal | None = None) -> Quote:
    return quote(basket=basket, rules=rules, first_purchase=first_purchase, refusal=refusal)


def percentage(percent: str, **values: Any) -> Rule:
    return rule(DiscountKind.PERCENTAGE, percent=Decimal(percent), **values)


def fixed(amount: str, **values: Any) -> Rule:
    return rule(DiscountKind.FIXED, amount=Decimal(amount), **values)


def buy_get(buy: int, get: int, percent: str = "100", **values: Any) -> Rule:
    return rule(DiscountKind.BUY_X_GET_Y, percent=Decimal(percent), buy_quantity=buy, get_quantity=get, **values)


def free_shipping(**values: Any) -> Rule:
    return rule(DiscountKind.FREE_SHIPPING, **values)


@pytest.mark.parametrize(
    ("lines", "offer", "expected"),
    [
        ([("100.00", 1)], percentage("10"), "10.00"),
        ([("0.01", 1)], percentage("10"), "0.00"),
        ([("33.33", 3)], percentage("100"), "99.99"),
        ([("10.05", 1)], percentage("50"), "5.02"),
        ([("100.00", 1)], fixed("30.00"), "30.00"),
        ([("20.00", 1)], fixed("30.00"), "20.00"),
        ([("10.00", 3)], buy_get(2, 1), "10.00"),
        ([("10.00", 2)], buy_get(2, 1), "0.00"),
        ([("10.00", 7)], buy_get(2, 1), "20.00"),
        ([("10.00", 1), ("30.00", 2)], buy_get(2, 1), "10.00"),
        ([("10.00", 1), ("30.00", 5)], buy_get(2, 1), "40.00"),
        ([("10.00", 4)], buy_get(1, 1, percent="50"), "10.00"),
    ],
)
def test_takes_off_what_the_kind_says(lines: list[tuple[str, int]], offer: Rule, expected: str) -> None:
    result = quoted(basket(*(line(price, quantity) for price, quantity in lines)), offer)
    assert result.total_discount == brl(expected)


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (percentage("10"), {"boot": "10.00", "cap": "5.00"}),
        (percentage("10", category_ids=frozenset({SHOES})), {"boot": "10.00", "cap": "0.00"}),
        (percentage("10", product_ids=frozenset({CAP})), {"boot": "0.00", "cap": "5.00"}),
        (
            percentage("10", product_ids=frozenset({CAP}), category_ids=frozenset({SHOES})),
            {"boot": "10.00", "cap": "5.00"},
        ),
        (percentage("10", category_ids=frozenset({new_id()})), {"boot": "0.00", "cap": "0.00"}),
        (
            percentage("10", category_ids=frozenset({SHOES}), minimum_subtotal=Decimal("100.00")),
            {"boot": "10.00", "cap": "0.00"},
        ),
        (
            percentage("10", category_ids=frozenset({SHOES}), minimum_subtotal=Decimal("100.01")),
            {"boot": "0.00", "cap": "0.00"},
        ),
        (percentage("10", minimum_subtotal=Decimal("150.00")), {"boot": "10.00", "cap": "5.00"}),
        (percentage("10", currency="USD"), {"boot": "0.00", "cap": "0.00"}),
    ],
)
def test_covers_the_lines_that_its_conditions_name(offer: Rule, expected: dict[str, str]) -> None:
    bought = basket(
        line("100.00", line_id="boot", product_id=BOOT, category_ids=[SHOES, new_id()]),
        line("25.00", 2, line_id="cap", product_id=CAP, category_ids=[HATS]),
    )
    assert quoted(bought, offer).line_discounts == {name: brl(amount) for name, amount in expected.items()}


@pytest.mark.parametrize(
    ("rules", "labels", "total"),
    [
        # Each works on what the earlier ones left.
        ([percentage("10", label="a", priority=2), fixed("10.00", label="b", priority=1)], ["a", "b"], "20.00"),
        ([percentage("10", label="a", priority=1), fixed("10.00", label="b", priority=2)], ["b", "a"], "19.00"),
        # The campaign's priority counts before the discount's.
        (
            [
                percentage("10", label="a", priority=9),
                fixed("10.00", label="b", priority=1, campaign_priority=1),
            ],
            ["b", "a"],
            "19.00",
        ),
        # An exclusive one applies alone: it stops the rest ...
        ([percentage("10", label="a", exclusive=True, priority=2), fixed("5", label="b")], ["a"], "10.00"),
        # ... goes first at the same priority ...
        ([fixed("5", label="b"), percentage("10", label="a", exclusive=True)], ["a"], "10.00"),
        # ... and is skipped behind another.
        ([percentage("10", label="a", exclusive=True), fixed("5", label="b", priority=1)], ["b"], "5.00"),
        # An exclusive one that takes nothing stops nothing.
        (
            [
                percentage("10", label="a", exclusive=True, priority=2, minimum_subtotal=Decimal(500)),
                fixed("5", label="b"),
            ],
            ["b"],
            "5.00",
        ),
        # One that does not stack keeps its lines, and takes no others.
        ([percentage("10", label="a", stackable=False, priority=1), fixed("5", label="b")], ["a"], "10.00"),
        ([percentage("10", label="a", stackable=False), fixed("5", label="b", priority=1)], ["b"], "5.00"),
        # Nothing left, nothing applied.
        ([percentage("100", label="a", priority=1), fixed("5", label="b")], ["a"], "100.00"),
    ],
)
def test_combines_discounts_by_priority(rules: list[Rule], labels: list[str], total: str) -> None:
    for order in itertools.permutations(rules):
        result = quoted(basket(line("100.00")), *order)
        assert [discount.label for discount in result.applied] == labels
        assert result.total_discount == brl(total)


def test_a_discount_that_does_not_stack_leaves_other_lines_to_others() -> None:
    bought = basket(
        line("100.00", line_id="boot", category_ids=[SHOES]), line("50.00", line_id="cap", category_ids=[HATS])
    )
    own = percentage("20", category_ids=frozenset({SHOES}), stackable=False, priority=1)
    result = quoted(bought, own, percentage("10"))
    assert result.line_discounts == {"boot": brl("20.00"), "cap": brl("5.00")}


def test_cents_go_to_the_largest_remainders() -> None:
    bought = basket(line("33.33", line_id="a"), line("33.33", line_id="b"), line("33.34", line_id="c"))
    result = quoted(bought, fixed("10.00"))
    assert sorted(share.amount for share in result.line_discounts.values()) == [
        Decimal("3.33"),
        Decimal("3.33"),
        Decimal("3.34"),
    ]
    assert result.line_discounts["c"] == brl("3.34")


def test_free_shipping_takes_off_the_shipping_and_nothing_else() -> None:
    result = quoted(basket(line("80.00", line_id="a"), shipping=brl("19.90")), free_shipping())
    assert result.shipping_discount == result.total_discount == brl("19.90")
    assert result.applied[0].shipping_amount == result.applied[0].amount == brl("19.90")
    assert result.line_discounts == {"a": brl("0.00")}


def test_free_shipping_coupon_is_accepted_before_the_shipping_is_known() -> None:
    result = quoted(basket(coupon_code="FRETE"), free_shipping(coupon_code="FRETE"))
    assert (result.coupon_refusal, result.applied) == ("", [])


def test_only_one_free_shipping_applies() -> None:
    result = quoted(basket(shipping=brl("10.00")), free_shipping(priority=1), free_shipping(coupon_code="FRETE"))
    assert result.total_discount == brl("10.00")
    assert result.coupon_refusal == "not_applicable"


@pytest.mark.parametrize(
    ("coupon", "first_purchase", "reason"),
    [
        ({"percent": Decimal(10)}, True, ""),
        ({"percent": Decimal(10), "minimum_subtotal": Decimal(1000)}, True, "minimum"),
        ({"percent": Decimal(10), "category_ids": frozenset({SHOES})}, True, "not_applicable"),
        ({"percent": Decimal(10), "first_purchase_only": True}, True, ""),
        ({"percent": Decimal(10), "first_purchase_only": True}, False, "first_purchase_only"),
        ({"percent": Decimal(10), "budget_left": Decimal("9.99")}, True, "budget"),
        ({"percent": Decimal(10), "budget_left": Decimal("10.00")}, True, ""),
    ],
)
def test_says_why_a_coupon_does_not_apply(coupon: dict[str, Any], first_purchase: bool, reason: str) -> None:
    result = quoted(basket(coupon_code="X"), rule(coupon_code="X", **coupon), first_purchase=first_purchase)
    assert result.coupon_refusal == reason
    assert bool(result.applied) == (reason == "")


def test_a_coupon_behind_an_exclusive_discount_does_not_apply() -> None:
    stopped = quoted(
        basket(coupon_code="X"), percentage("5", exclusive=True, priority=1), percentage("10", coupon_code="X")
    )
    assert (stopped.coupon_refusal, stopped.total_discount) == ("not_applicable", brl("5.00"))


def test_a_known_refusal_is_kept() -> None:
    result = quoted(basket(coupon_code="X"), percentage("5", exclusive=True), refusal=Refusal.ENDED)
    assert (result.coupon_refusal, result.total_discount) == ("ended", brl("5.00"))


def test_two_discounts_of_one_campaign_share_its_budget() -> None:
    campaign_id = new_id()
    shared: dict[str, Any] = {"campaign_id": campaign_id, "budget_left": Decimal("15.00")}
    result = quoted(basket(line("100.00")), percentage("10", priority=2, **shared), fixed("6.00", priority=1, **shared))
    assert result.total_discount == brl("10.00")


@pytest.mark.parametrize(
    "broken",
    [
        basket(*(line("1.00") for _ in range(201))),
        basket(line(line_id="a"), line(line_id="a")),
        basket(line("-1.00")),
        basket(line(quantity=0)),
        basket(line(), shipping=brl("-1.00")),
        basket(line(), shipping=Money(Decimal(1), "USD")),
    ],
)
def test_refuses_a_basket_that_breaks_its_contract(broken: Basket) -> None:
    with pytest.raises(BasketInvalid):
        quoted(broken)


def test_an_empty_basket_gets_nothing() -> None:
    result = quoted(Basket(lines=[], shipping=brl("10.00")), percentage("10"), free_shipping())
    assert (result.total_discount, result.line_discounts) == (brl("0.00"), {})


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ({}, None),
        ({"starts_at": NOW}, None),
        ({"starts_at": NOW + timedelta(seconds=1)}, Refusal.NOT_STARTED),
        ({"ends_at": NOW + timedelta(seconds=1)}, None),
        ({"ends_at": NOW}, Refusal.ENDED),
        ({"active": False}, Refusal.ENDED),
        ({"usage_limit": 3, "usage_count": 2}, None),
        ({"usage_limit": 3, "usage_count": 3}, Refusal.EXHAUSTED),
    ],
)
def test_a_window_says_why_it_is_closed(window: dict[str, Any], reason: Refusal | None) -> None:
    always = {"active": True, "starts_at": None, "ends_at": None, "usage_limit": None, "usage_count": 0}
    closed, opened = Window(**{**always, **window}), Window(**always)
    terms: dict[str, Any] = {"per_customer_limit": None, "customer_uses": 0, "now": NOW}
    assert coupon_refusal(coupon=closed, campaign=opened, **terms) == reason
    assert coupon_refusal(coupon=opened, campaign=closed, **terms) == reason


def test_a_customer_at_the_limit_is_refused() -> None:
    opened = Window(active=True, starts_at=None, ends_at=None, usage_limit=None, usage_count=0)
    terms: dict[str, Any] = {"coupon": opened, "campaign": opened, "now": NOW, "per_customer_limit": 2}
    assert coupon_refusal(customer_uses=1, **terms) is None
    assert coupon_refusal(customer_uses=2, **terms) == Refusal.CUSTOMER_LIMIT


@pytest.mark.parametrize(
    ("typed", "stored"),
    [(" natal-10 ", "NATAL-10"), ("natal", "NATAL"), ("ab", ""), ("a b c", ""), ("x\x00yz", ""), ("ção", "")],
)
def test_codes_are_stored_in_capitals(typed: str, stored: str) -> None:
    assert normalised_code(typed) == stored


def test_a_buyer_is_known_by_account_and_by_hashed_e_mail() -> None:
    account = UUID(int=7)
    guest = customer_keys(customer_id=None, email=" Ana@Example.com ")
    assert guest == customer_keys(customer_id=None, email="ana@example.com")
    assert "ana" not in guest[0]
    assert customer_keys(customer_id=account, email="ana@example.com") == [f"customer:{account}", *guest]
    assert customer_keys(customer_id=None, email="") == []


amounts = st.decimals(min_value=0, max_value=2000, places=2)
percents = st.decimals(min_value=Decimal("0.01"), max_value=100, places=2)
category_sets = st.frozensets(st.sampled_from([SHOES, HATS]))
rules_of_any_kind = st.builds(
    rule,
    st.sampled_from(DiscountKind),
    percent=percents,
    amount=amounts,
    buy_quantity=st.integers(1, 4),
    get_quantity=st.integers(1, 3),
    minimum_subtotal=st.sampled_from([Decimal(0), Decimal(100)]),
    category_ids=category_sets,
    priority=st.integers(0, 2),
    exclusive=st.booleans(),
    stackable=st.booleans(),
    budget_left=st.none() | amounts,
)
baskets = st.builds(
    lambda lines, shipping: Basket(lines=lines, shipping=shipping),
    st.lists(
        st.builds(
            lambda price, quantity, categories: line(str(price), quantity, category_ids=sorted(categories)),
            amounts,
            st.integers(1, 12),
            category_sets,
        ),
        min_size=1,
        max_size=8,
    ),
    st.builds(Money, amounts),
)


@settings(max_examples=300, deadline=None)
@given(bought=baskets, rules=st.lists(rules_of_any_kind, max_size=6), shuffle=st.randoms(use_true_random=False))
def test_parts_add_up_and_never_exceed_what_is_paid(bought: Basket, rules: list[Rule], shuffle: Any) -> None:
    result = quoted(bought, *rules)
    parts = sum((share.amount for share in result.line_discounts.values()), result.shipping_discount.amount)
    assert parts == result.total_discount.amount == sum(discount.amount.amount for discount in result.applied)
    assert all(discount.amount.amount > 0 for discount in result.applied)
    assert set(result.line_discounts) == {line.line_id for line in bought.lines}
    for bought_line in bought.lines:
        assert (
            0
            <= result.line_discounts[bought_line.line_id].amount
            <= bought_line.unit_price.amount * bought_line.quantity
        )
    assert 0 <= result.shipping_discount.amount <= bought.shipping.amount
    for offer in rules:
        if offer.budget_left is not None:
            given_away = sum(d.amount.amount for d in result.applied if d.discount_id == offer.discount_id)
            assert given_away <= offer.budget_left
    lines = list(bought.lines)
    shuffle.shuffle(lines)
    shuffle.shuffle(rules)
    assert quoted(Basket(lines=lines, shipping=bought.shipping), *rules) == result
