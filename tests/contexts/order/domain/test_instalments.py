from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.order.domain import InstalmentsRefused, Method
from contexts.order.domain.instalments import Bearer, Terms, plan, plans, price_table_total
from ecommerce.money import Money, rounded, total
from tests.vectors import BRAZIL

TERMS = Terms(most=12, smallest=Decimal("5.00"), free=3, monthly_rate=Decimal("1.99"))


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


@pytest.mark.parametrize("published", BRAZIL["price_table"], ids=lambda published: str(published["count"]))
def test_published_payments_of_the_price_table(published):
    rate = Decimal(published["monthly_rate"]) / 100
    payment = price_table_total(Decimal(published["amount"]), rate, published["count"]) / published["count"]
    assert rounded(payment) == brl(published["payment"])


@given(cents=st.integers(500, 10_000_000), count=st.integers(4, 12), percent=st.decimals("0.01", "15", places=2))
def test_what_the_buyer_pays_pays_off_the_debt(cents, count, percent):
    """The balance, month by month, instead of the formula."""
    terms = Terms(most=12, smallest=Decimal("0.01"), free=3, monthly_rate=percent)
    chosen = plan(Money(Decimal(cents).scaleb(-2)), Method.CARD, count, terms)
    balance = chosen.amount.amount
    for _ in range(count):
        balance = balance * (1 + percent / 100) - chosen.total.amount / count
    assert abs(balance) <= Decimal("0.01") * (1 + percent / 100) ** count


@given(cents=st.integers(1, 10_000_000), count=st.integers(1, 24), free=st.integers(0, 24))
def test_instalments_add_up_and_differ_in_the_first_only(cents, count, free):
    terms = Terms(most=24, smallest=Decimal(0), free=free, monthly_rate=Decimal("2.5"))
    amount = Money(Decimal(cents).scaleb(-2))
    for offered in plans(amount, Method.CARD, terms):
        assert total(offered.instalments) == offered.total == amount + offered.interest
        first, *others = offered.instalments
        assert set(others) <= {min(offered.instalments)}
        assert Decimal(0) <= (first - min(offered.instalments)).amount < Decimal("0.01") * offered.count
        assert offered.bearer == (Bearer.BUYER if offered.count > max(free, 1) else Bearer.SHOP)
        assert bool(offered.interest) <= (offered.bearer == Bearer.BUYER)


def test_the_shop_bears_some_and_the_buyer_the_rest():
    offered = {each.count: each for each in plans(brl("100.00"), Method.CARD, TERMS)}
    assert list(offered) == list(range(1, 13))
    assert (offered[3].interest, offered[3].bearer, offered[3].monthly_rate) == (brl("0.00"), "shop", Decimal(0))
    assert offered[3].instalments == (brl("33.34"), brl("33.33"), brl("33.33"))
    assert (offered[4].total, offered[4].interest) == (brl("105.02"), brl("5.02"))
    assert offered[4].instalments == (brl("26.27"), *[brl("26.25")] * 3)
    assert (offered[4].bearer, offered[4].monthly_rate) == ("buyer", Decimal("1.99"))
    assert offered[12].total == brl("113.40")


def test_without_a_rate_nobody_pays_more():
    terms = Terms(most=24, smallest=Decimal(1), free=3)
    assert {(each.interest, each.bearer) for each in plans(brl("100.00"), Method.CARD, terms)} == {
        (brl("0.00"), "shop")
    }


def test_instalments_that_would_be_too_small_are_not_offered():
    assert [each.count for each in plans(brl("20.00"), Method.CARD, TERMS)] == [1, 2, 3, 4]
    assert [each.count for each in plans(brl("1.00"), Method.CARD, TERMS)] == [1]


def test_interest_may_lift_an_instalment_over_the_minimum():
    terms = Terms(most=4, smallest=Decimal("26.00"), free=3, monthly_rate=Decimal(3))
    assert [each.count for each in plans(brl("77.00"), Method.CARD, terms)] == [1, 2]
    assert [each.count for each in plans(brl("100.00"), Method.CARD, terms)] == [1, 2, 3, 4]


@pytest.mark.parametrize("method", [method for method in Method if method != Method.CARD])
def test_only_a_credit_card_has_instalments(method):
    assert [each.count for each in plans(brl("600.00"), method, TERMS)] == [1]
    assert plan(brl("0.50"), method, 1, TERMS).total == brl("0.50")
    with pytest.raises(InstalmentsRefused):
        plan(brl("600.00"), method, 2, TERMS)


@pytest.mark.parametrize(
    ("count", "amount", "fine"),
    [
        (1, "0.50", True), (12, "60.00", True), (3, "15.00", True), (3, "14.99", False), (13, "600.00", False),
        (0, "600.00", False), (-1, "600.00", False), (12, "50.00", False),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused(count, amount, fine):
    if fine:
        assert plan(brl(amount), Method.CARD, count, TERMS) in plans(brl(amount), Method.CARD, TERMS)
    else:
        with pytest.raises(InstalmentsRefused):
            plan(brl(amount), Method.CARD, count, TERMS)


@pytest.mark.parametrize("rate", ["-1", "NaN", "Infinity"])
def test_a_rate_is_a_number_and_not_negative(rate):
    with pytest.raises(ValueError, match="rate"):
        Terms(most=12, smallest=Decimal(1), free=1, monthly_rate=Decimal(rate))
