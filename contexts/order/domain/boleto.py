"""The numbers of a boleto: its barcode (44 digits) and its typeable line (47), written, read and checked. Pure.

Sources: Banco Central do Brasil, Carta-Circular 2.926/2000, and FEBRABAN, "Layout padrão do código de barras" and
"Manual Operacional do Fator de Vencimento". Digits 1 to 3 are the bank, 4 the currency (9 = real), 5 the general check
digit, 6 to 9 the due factor, 10 to 19 the cents, 20 to 44 the bank's own. The due factor counts days since 1997-10-07;
it reached 9999 on 2025-02-21 and began again with 1000 on the day after. Bills of utilities and taxes ("arrecadação")
have another layout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from ecommerce.money import Money

EPOCH = date(1997, 10, 7)
FIRST_FACTOR, CYCLE = 1000, 9000
REAIS, REAIS_CODE = "BRL", "9"
MOST = Money(Decimal("99999999.99"), REAIS)
BEHIND, AHEAD = timedelta(days=3000), timedelta(days=5500)
"""A due factor means the day of its cycle that lies between these, seen from the day on which it is read (FEBRABAN)."""


class BoletoInvalid(ValueError):
    """Digits are not those of a boleto, or not of the one that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Boleto:
    """What the digits say."""

    bank: str
    """Three digits."""
    due: date | None
    """None: on sight."""
    amount: Money | None
    """None: whatever the payer gives."""
    free_field: str
    """25 digits that mean something to the bank."""


def barcode(boleto: Boleto) -> str:
    """Return the 44 digits of a boleto's barcode.

    Raises:
        BoletoInvalid: a part does not fit.
    """
    if not re.fullmatch(r"[0-9]{3}", boleto.bank) or not re.fullmatch(r"[0-9]{25}", boleto.free_field):
        raise BoletoInvalid("a boleto has a bank of 3 digits and a free field of 25")
    amount = boleto.amount or Money(Decimal(0), REAIS)
    if amount.currency != REAIS or not 0 <= amount.amount <= MOST.amount:
        raise BoletoInvalid(f"{amount} does not fit a boleto")
    factor = due_factor(boleto.due) if boleto.due else 0
    head, tail = f"{boleto.bank}{REAIS_CODE}", f"{factor:04}{int(amount.amount * 100):010}{boleto.free_field}"
    return f"{head}{general_digit(head + tail)}{tail}"


def due_factor(due: date) -> int:
    """Return the four digits of a due date: 1000 to 9999, then 1000 again.

    Raises:
        BoletoInvalid: ``due`` is before 2000-07-03, the day of factor 1000.
    """
    days = (due - EPOCH).days
    if days < FIRST_FACTOR:
        raise BoletoInvalid(f"no boleto is due on {due}: due factors begin on 2000-07-03")
    return FIRST_FACTOR + (days - FIRST_FACTOR) % CYCLE


def due_date(factor: int, *, seen_on: date) -> date:
    """Return the day that a due factor means to whoever reads it on ``seen_on``.

    Raises:
        BoletoInvalid: none of its days is near enough.
    """
    day = EPOCH + timedelta(days=factor)
    while day < seen_on - BEHIND:
        day += timedelta(days=CYCLE)
    if factor < FIRST_FACTOR or day > seen_on + AHEAD:
        raise BoletoInvalid(f"due factor {factor:04} means no day near {seen_on}")
    return day


def typeable_line(code: str) -> str:
    """Return the 47 digits of the typeable line of a barcode."""
    fields = (code[:4] + code[19:24], code[24:34], code[34:44])
    return "".join(f"{field}{field_digit(field)}" for field in fields) + code[4:19]


def printed(line: str) -> str:
    """Return a typeable line as it is printed: ``00190.00009 01149.718601 68524.522114 6 75860000102656``."""
    first, second, third = (f"{field[:5]}.{field[5:]}" for field in (line[:10], line[10:21], line[21:32]))
    return f"{first} {second} {third} {line[32]} {line[33:]}"


def barcode_of(text: str) -> str:
    """Return the barcode of a typeable line, with or without its punctuation, or of a barcode itself.

    Raises:
        BoletoInvalid: a check digit is wrong, or it is not one of both.
    """
    digits = re.sub(r"[ .]", "", text)
    if re.fullmatch(r"[0-9]{47}", digits):
        fields = (digits[:10], digits[10:21], digits[21:32])
        if any(field_digit(field[:-1]) != int(field[-1]) for field in fields):
            raise BoletoInvalid("a check digit of the typeable line is wrong")
        digits = digits[:4] + digits[32:] + digits[4:9] + digits[10:20] + digits[21:31]
    if not re.fullmatch(r"[0-9]{44}", digits):
        raise BoletoInvalid("a boleto has 44 or 47 digits")
    if general_digit(digits[:4] + digits[5:]) != int(digits[4]):
        raise BoletoInvalid("the general check digit is wrong")
    return digits


def decode(text: str, *, seen_on: date) -> Boleto:
    """Return what a barcode or a typeable line says to whoever reads it on ``seen_on``.

    Raises:
        BoletoInvalid: it is damaged, or not in reais.
    """
    code = barcode_of(text)
    if code[3] != REAIS_CODE:
        raise BoletoInvalid("this boleto is not in reais")
    factor, cents = int(code[5:9]), int(code[9:19])
    return Boleto(
        bank=code[:3],
        due=due_date(factor, seen_on=seen_on) if factor else None,
        amount=Money(Decimal(cents).scaleb(-2), REAIS) if cents else None,
        free_field=code[19:],
    )


def check(*, code: str, line: str, amount: Money, due: date) -> None:
    """Check the digits of a boleto over ``amount`` that is due on ``due``.

    Raises:
        BoletoInvalid: they are damaged, belong to two boletos, or ask for another amount or day.
    """
    if barcode_of(line) != barcode_of(code):
        raise BoletoInvalid("the barcode and the typeable line are of two boletos")
    said = decode(code, seen_on=due)
    if (said.amount, said.due) != (amount, due):
        raise BoletoInvalid(f"the boleto is over {said.amount} on {said.due} and not over {amount} on {due}")


def field_digit(digits: str) -> int:
    """Return the modulo-10 check digit of one field of the typeable line: weights 2, 1, 2 … from the right."""
    products = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return -sum(product // 10 + product % 10 for product in products) % 10


def general_digit(digits: str) -> int:
    """Return the modulo-11 check digit of the other 43 digits: weights 2 to 9 from the right; 0, 10 and 11 become 1."""
    weighted = sum(int(digit) * (2 + place % 8) for place, digit in enumerate(reversed(digits)))
    result = 11 - weighted % 11
    return 1 if result > 9 else result
