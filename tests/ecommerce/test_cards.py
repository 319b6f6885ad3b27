"""Card numbers in any disguise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecommerce.cards import holds_card_number


@pytest.mark.parametrize(
    "value",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "3782.822463.10005",
        "tok_4242424242424242",
        "meu cartão: 5555555555554444!",
        4242424242424242,
        {"nested": [{"deep": {"number": "6011111111111117"}}]},
        {"4242424242424242": "as a key"},
    ],
)
def test_a_card_number_is_found_wherever_it_hides(value: object) -> None:
    assert holds_card_number(value)


@pytest.mark.parametrize(
    "value",
    [
        "tok_1NqfAbcdEfgh",
        "4242424242424241",
        "4242",
        "0194f2a0-7e1c-7c3e-9f41-8c1d2e3f4a5b",
        "44444444-4444-4444-8444-444444444448",
        "a4242424242424242f",
        {"last4": "4242", "expiry_year": 2030, "brand": "visa", "holder": None},
    ],
)
def test_tokens_ids_and_last_digits_are_no_card_numbers(value: object) -> None:
    assert not holds_card_number(value)


@given(st.from_regex(r"\A[2-6][0-9]{14}\Z"))
def test_every_luhn_number_of_a_card_issuer_is_found(first_fifteen: str) -> None:
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(first_fifteen)]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    assert holds_card_number(f"{first_fifteen}{-total % 10}")
