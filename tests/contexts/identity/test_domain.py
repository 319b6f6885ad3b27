"""Documents by their published rules, and card numbers in any disguise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.identity.domain import holds_card_number, is_tax_id, masked_tax_id, normalized_tax_id


@pytest.mark.parametrize(
    "text",
    ["529.982.247-25", "11144477735", "11.222.333/0001-81", "12.ABC.345/01DE-35", "12abc34501de35"],
)
def test_a_document_with_right_check_digits_is_accepted(text: str) -> None:
    assert is_tax_id(normalized_tax_id(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "529.982.247-24",
        "111.111.111-11",
        "5299822472",
        "11.222.333/0001-80",
        "00.000.000/0000-00",
        "12.ABC.345/01DE-36",
        "12.ABC.345/01DE-3A",
        "١١١٤٤٤٧٧٧٣٥",
    ],
)
def test_any_other_document_is_refused(text: str) -> None:
    assert not is_tax_id(normalized_tax_id(text))


@pytest.mark.parametrize(
    ("text", "masked"),
    [("52998224725", "***.982.247-**"), ("12ABC34501DE35", "**.***.345/01DE-**"), ("", "")],
)
def test_a_masked_document_shows_its_middle_only(text: str, masked: str) -> None:
    assert masked_tax_id(text) == masked


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
