"""Money never gains or loses a cent, however it is split, added or rounded."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecommerce.money import EXPONENTS, Money, quantum, rounded, total

CURRENCIES = st.sampled_from(sorted(EXPONENTS))
WEIGHTS = st.lists(st.decimals(min_value=0, max_value=10**6, places=3), min_size=1, max_size=40)


@st.composite
def amounts(draw: st.DrawFn) -> Money:
    currency = draw(CURRENCIES)
    units = draw(st.integers(min_value=-(10**11), max_value=10**11))
    return Money(Decimal(units) * quantum(currency), currency)


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


@given(amounts(), WEIGHTS)
def test_the_parts_of_an_amount_add_up_to_it(amount: Money, weights: list[Decimal]) -> None:
    parts = amount.allocate(weights)
    assert total(parts, amount.currency) == amount
    assert len(parts) == len(weights)


@given(amounts(), WEIGHTS)
@example(brl("0.05"), [Decimal(3), Decimal(7)])
@example(brl("-10.00"), [Decimal(1)] * 3)
def test_no_part_is_a_cent_or_more_away_from_its_exact_share(amount: Money, weights: list[Decimal]) -> None:
    exact = [Fraction(weight) for weight in weights] if any(weights) else [Fraction(1)] * len(weights)
    for part, weight in zip(amount.allocate(weights), exact, strict=True):
        share = Fraction(amount.amount) * weight / sum(exact)
        assert abs(Fraction(part.amount) - share) < Fraction(quantum(amount.currency))
        assert part.amount * amount.amount >= 0


def test_what_is_left_over_goes_to_the_largest_remainders_and_then_to_the_earlier_parts() -> None:
    assert brl("10.00").allocate([1, 1, 1]) == [brl("3.34"), brl("3.33"), brl("3.33")]
    assert brl("0.10").allocate([Decimal("1.04"), Decimal("1.06"), Decimal("1.9")]) == [
        brl("0.02"), brl("0.03"), brl("0.05"),
    ]  # fmt: skip
    assert brl("-10.00").allocate([1, 1, 1]) == [brl("-3.34"), brl("-3.33"), brl("-3.33")]
    assert Money(Decimal(100), "JPY").allocate([1, 2]) == [Money(Decimal(33), "JPY"), Money(Decimal(67), "JPY")]


def test_a_weight_of_nothing_gets_nothing_unless_all_weigh_nothing() -> None:
    assert brl("0.01").allocate([0, 1]) == [brl("0.00"), brl("0.01")]
    assert brl("0.03").allocate([0, 0]) == [brl("0.02"), brl("0.01")]


@pytest.mark.parametrize("weights", [[], [-1, 2]])
def test_weights_are_given_and_not_negative(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        brl("1.00").allocate(weights)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6), CURRENCIES)
def test_rounding_moves_by_half_a_cent_at_most(amount: Decimal, currency: str) -> None:
    assert abs(rounded(amount, currency).amount - amount) <= quantum(currency) / 2


def test_half_a_cent_goes_away_from_zero_in_prices_and_to_even_in_percentages() -> None:
    assert [rounded(Decimal(text)) for text in ("0.005", "0.015", "-0.005", "0.0049")] == [
        brl("0.01"), brl("0.02"), brl("-0.01"), brl("0.00"),
    ]  # fmt: skip
    assert [brl(text).percentage(Decimal(50)) for text in ("0.01", "0.03")] == [brl("0.00"), brl("0.02")]


@given(amounts(), st.integers(min_value=0, max_value=1000))
def test_multiplying_is_adding_again_and_again(amount: Money, count: int) -> None:
    assert amount * count == total([amount] * count, amount.currency)


@pytest.mark.parametrize(("amount", "currency"), [("1.001", "BRL"), ("1.5", "JPY"), ("NaN", "BRL"), ("1", "XXX")])
def test_an_amount_that_its_currency_cannot_hold_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"digits|finite|unknown"):
        Money(Decimal(amount), currency)


def test_currencies_do_not_mix() -> None:
    dollar = Money(Decimal(1), "USD")
    for operation in (Money.__add__, Money.__sub__, Money.__lt__, Money.__ge__):
        with pytest.raises(ValueError, match="cannot mix"):
            operation(brl("1.00"), dollar)
