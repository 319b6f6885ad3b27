"""The numbers printed on a boleto: the barcode (44 digits) and the typeable line (47 digits). Pure.

Sources: Banco Central do Brasil, Carta-Circular 2.926/2000 and FEBRABAN, "Layout padrão do código de barras":
positions 1-3 bank, 4 currency (9 = real), 5 general check digit, 6-9 due factor, 10-19 cents, 20-44 free field. The
due factor counts days from 1997-10-07; it reached 9999 on 2025-02-21 and FEBRABAN let it restart at 1000 the day after.
"""

from datetime import date

EPOCH = date(1997, 10, 7)
FIRST_FACTOR = 1000
CYCLE = 9000
MAXIMUM_CENTS = 9_999_999_999


def due_factor(due: date) -> int:
    """Return the four-digit due factor of ``due``: 1000 to 9999, then 1000 again.

    Raises:
        ValueError: ``due`` is before 2000-07-03, the day of factor 1000.
    """
    days = (due - EPOCH).days
    if days < FIRST_FACTOR:
        raise ValueError(f"no boleto is due on {due}: due factors begin on 2000-07-03")
    return FIRST_FACTOR + (days - FIRST_FACTOR) % CYCLE


def barcode(*, bank: str, due: date, cents: int, free_field: str) -> str:
    """Return the 44 digits of the barcode, in reais.

    Raises:
        ValueError: a part has the wrong length or is not made of digits, or the amount does not fit ten digits.
    """
    if len(bank) != 3 or len(free_field) != 25 or not (bank + free_field).isdecimal():
        raise ValueError("a boleto needs a bank of 3 digits and a free field of 25 digits")
    if not 0 <= cents <= MAXIMUM_CENTS:
        raise ValueError("the amount does not fit a boleto")
    head, tail = f"{bank}9", f"{due_factor(due)}{cents:010}{free_field}"
    return f"{head}{general_check_digit(head + tail)}{tail}"


def typeable_line(code: str) -> str:
    """Return the 47 digits that a person types, made from the 44 digits of a barcode."""
    fields = (code[:4] + code[19:24], code[24:34], code[34:44])
    checked = "".join(f"{field}{field_check_digit(field)}" for field in fields)
    return f"{checked}{code[4]}{code[5:19]}"


def field_check_digit(digits: str) -> int:
    """Return the modulo-10 check digit of one field of the typeable line: weights 2, 1, 2 … from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        product = int(digit) * (1 if place % 2 else 2)
        total += product // 10 + product % 10
    return -total % 10


def general_check_digit(digits: str) -> int:
    """Return the modulo-11 check digit of the other 43 digits of a barcode: weights 2 to 9 from the right.

    A result of 10 or 11 is written as 1; the digit is never 0.
    """
    total = sum(int(digit) * (2 + place % 8) for place, digit in enumerate(reversed(digits)))
    result = 11 - total % 11
    return 1 if result > 9 else result
