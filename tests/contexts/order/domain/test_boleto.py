from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.order.domain import boleto
from contexts.order.domain.boleto import Boleto, BoletoInvalid
from ecommerce.money import Money
from tests.vectors import BRAZIL

FACTORS = [pair for entry in BRAZIL["due_factor"] for pair in entry["days"]]
LINE = "00190.00009 01149.718601 68524.522114 6 75860000102656"
DUE, AMOUNT = date(2018, 7, 15), Money(Decimal("1026.56"))
CODE = boleto.barcode_of(LINE)


def digits(line: str) -> str:
    return line.replace(".", "").replace(" ", "")


@pytest.mark.parametrize(("day", "factor"), FACTORS)
def test_published_due_factors(day, factor):
    due = date.fromisoformat(day)
    assert boleto.due_factor(due) == factor
    assert boleto.due_date(factor, seen_on=due) == due


@pytest.mark.parametrize("published", BRAZIL["boleto"], ids=lambda published: published["line"])
def test_published_boletos_are_read_and_written_alike(published):
    due, line = date.fromisoformat(published["due"]), published["line"]
    code = boleto.barcode_of(line)
    assert code == published.get("barcode", code)
    said = boleto.decode(line, seen_on=due)
    assert (said.bank, said.due, said.amount) == (published["bank"], due, Money(Decimal(published["amount"])))
    assert said.free_field == code[19:]
    assert boleto.decode(code, seen_on=due) == said
    assert boleto.barcode(said) == code
    assert boleto.typeable_line(code) == digits(line)
    assert boleto.printed(digits(line)) == line


@pytest.mark.parametrize(
    ("seen_on", "due"),
    [("2008-09-18", "2000-07-03"), ("2010-02-01", "2025-02-22"), ("2030-01-01", "2025-02-22")],
)
def test_a_due_factor_means_the_day_that_is_near(seen_on, due):
    assert boleto.due_date(1000, seen_on=date.fromisoformat(seen_on)) == date.fromisoformat(due)


@pytest.mark.parametrize(("factor", "seen_on"), [(999, "2001-01-01"), (1000, "2009-01-01"), (0, "2026-01-01")])
def test_a_due_factor_far_from_any_of_its_days_is_refused(factor, seen_on):
    with pytest.raises(BoletoInvalid):
        boleto.due_date(factor, seen_on=date.fromisoformat(seen_on))


def test_no_boleto_was_due_before_the_first_factor():
    with pytest.raises(BoletoInvalid):
        boleto.due_factor(date(2000, 7, 2))


@pytest.mark.parametrize("place", range(47))
def test_a_wrong_digit_anywhere_in_the_line_is_noticed(place):
    line = digits(LINE)
    changed = line[:place] + str((int(line[place]) + 1) % 10) + line[place + 1 :]
    with pytest.raises(BoletoInvalid):
        boleto.decode(changed, seen_on=DUE)


@pytest.mark.parametrize("place", range(44))
def test_a_wrong_digit_anywhere_in_the_barcode_is_noticed(place):
    changed = CODE[:place] + str((int(CODE[place]) + 1) % 10) + CODE[place + 1 :]
    with pytest.raises(BoletoInvalid):
        boleto.decode(changed, seen_on=DUE)


@pytest.mark.parametrize("text", ["", "1" * 43, "1" * 48, "x" * 47, "٠" * 47, LINE.replace("0", "O")])
def test_what_is_no_boleto_is_refused(text):
    with pytest.raises(BoletoInvalid):
        boleto.barcode_of(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"bank": "01"}, {"bank": "abc"}, {"free_field": "1" * 24}, {"due": date(1999, 1, 1)},
        {"amount": Money(Decimal("100000000.00"))}, {"amount": Money(Decimal("-0.01"))},
        {"amount": Money(Decimal("1.00"), "USD")},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes):
    fields = {"bank": "001", "due": DUE, "amount": AMOUNT, "free_field": "1" * 25, **changes}
    with pytest.raises(BoletoInvalid):
        boleto.barcode(Boleto(**fields))


def test_a_boleto_in_another_currency_is_not_read():
    other = CODE[:3] + "8" + CODE[5:]
    code = f"{other[:4]}{boleto.general_digit(other)}{other[4:]}"
    with pytest.raises(BoletoInvalid, match="reais"):
        boleto.decode(code, seen_on=DUE)


def test_a_boleto_is_checked_against_what_was_asked_for():
    line = digits(LINE)
    boleto.check(code=CODE, line=line, amount=AMOUNT, due=DUE)
    other = boleto.typeable_line(boleto.barcode(Boleto(bank="001", due=DUE, amount=AMOUNT, free_field="1" * 25)))
    for wrong in (
        {"amount": Money(Decimal("1026.57"))},
        {"due": DUE + timedelta(days=1)},
        {"line": other},
        {"line": line[:-1] + "7"},
    ):
        with pytest.raises(BoletoInvalid):
            boleto.check(**{"code": CODE, "line": line, "amount": AMOUNT, "due": DUE, **wrong})


@given(
    st.builds(
        Boleto,
        bank=st.integers(0, 999).map("{:03}".format),
        due=st.none() | st.dates(date(2020, 1, 1), date(2040, 1, 1)),
        amount=st.none() | st.integers(1, 10**10 - 1).map(lambda cents: Money(Decimal(cents).scaleb(-2))),
        free_field=st.integers(0, 10**25 - 1).map("{:025}".format),
    )
)
def test_any_boleto_survives_being_printed_and_typed(made):
    code = boleto.barcode(made)
    assert code[4] != "0"
    assert boleto.barcode_of(boleto.printed(boleto.typeable_line(code))) == code
    seen_on = made.due or date(2026, 11, 28)
    assert boleto.decode(boleto.typeable_line(code), seen_on=seen_on) == made
