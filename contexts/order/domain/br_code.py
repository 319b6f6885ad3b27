"""The text behind a Pix QR code ("copia e cola"): a BR Code, written, read and checked. Pure.

Source: Banco Central do Brasil, "Manual de Padrões para Iniciação do Pix", section 2 and its examples: a profile of the
EMV QR Code Specification for Payment Systems, merchant-presented mode. Fields of a two-digit id, a two-digit length and
a value; the last is 63, the CRC-16 (polynomial 0x1021, start 0xFFFF) of everything before its four hexadecimal digits.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import crc_hqx
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ecommerce.money import Money

GUI = "br.gov.bcb.pix"
REAIS, REAIS_CODE = "BRL", "986"
NO_REFERENCE = "***"
LONGEST_URL = 77
ACCOUNTS = [f"{identifier:02}" for identifier in range(26, 52)]
"""The fields that may hold a payment system's own information; one of them is the Pix one."""
TXID = re.compile(r"[A-Za-z0-9]{26,35}")
REFERENCE = re.compile(r"[A-Za-z0-9]{1,25}|\*\*\*")
AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")


class BRCodeInvalid(ValueError):
    """A text is no BR Code of a Pix, or not the one that was asked for."""


@dataclass(frozen=True, kw_only=True)
class BRCode:
    """What a BR Code says: ``key`` makes it static, ``url`` dynamic.

    Raises:
        BRCodeInvalid: it says both or neither, or the amount is in another currency.
    """

    key: str = ""
    """The Pix key of whom it pays: a static code, which anybody can make and pay any number of times."""
    description: str = ""
    """Of a static code only."""
    url: str = ""
    """Where the payer's bank finds the charge, without ``https://``: a dynamic code, for one charge."""
    merchant: str
    city: str
    amount: Money | None = None
    """Without it the payer is asked (static), or the charge says it (dynamic)."""
    reference: str = NO_REFERENCE
    """The transaction id of a static code. A dynamic one has ``***``: its txid lies at ``url``."""

    def __post_init__(self) -> None:
        if bool(self.key) == bool(self.url):
            raise BRCodeInvalid("a BR Code has either a Pix key or a URL")
        if self.amount is not None and self.amount.currency != REAIS:
            raise BRCodeInvalid("a Pix is paid in reais")


def encode(code: BRCode) -> str:
    """Return the text of a code. Names lose their accents, and what is longer than 25 (merchant) or 15 (city).

    Raises:
        BRCodeInvalid: a key, a URL, a description or a reference does not fit, or the amount is none.
    """
    if len(code.url) > LONGEST_URL:
        raise BRCodeInvalid(f"the URL of a Pix has at most {LONGEST_URL} characters")
    if not REFERENCE.fullmatch(code.reference):
        raise BRCodeInvalid("a reference is 1 to 25 letters and digits")
    if code.amount is not None and code.amount.amount <= 0:
        raise BRCodeInvalid("the amount of a Pix is more than nothing")
    account = [("00", GUI), ("01", code.key), ("02", code.description), ("25", code.url)]
    fields = [
        ("00", "01"),
        ("01", "12" if code.url else ""),
        ("26", _fields(account)),
        ("52", "0000"),
        ("53", REAIS_CODE),
        ("54", str(code.amount.amount) if code.amount else ""),
        ("58", "BR"),
        ("59", _plain(code.merchant)[:25]),
        ("60", _plain(code.city)[:15]),
        ("62", _fields([("05", code.reference)])),
    ]
    body = f"{_fields(fields)}6304"
    return body + crc16(body)


def decode(text: str) -> BRCode:
    """Return what the text of a BR Code says.

    Raises:
        BRCodeInvalid: it is damaged, or no Pix.
    """
    if len(text) < 8 or text[-8:-4] != "6304" or text[-4:].upper() != crc16(text[:-4]):
        raise BRCodeInvalid("the CRC of the BR Code is wrong")
    fields = _parsed(text[:-8])
    if fields.get("00") != "01" or fields.get("53") != REAIS_CODE or fields.get("58") != "BR":
        raise BRCodeInvalid("this is no BR Code in reais")
    account = _pix_account(fields)
    return BRCode(
        key=account.get("01", ""),
        description=account.get("02", ""),
        url=account.get("25", ""),
        merchant=fields.get("59", ""),
        city=fields.get("60", ""),
        amount=_amount(fields["54"]) if "54" in fields else None,
        reference=_parsed(fields.get("62", "")).get("05", NO_REFERENCE),
    )


def check(text: str, *, amount: Money) -> BRCode:
    """Return what a BR Code says that is to be paid with ``amount``. A dynamic code may leave its amount to the charge.

    Raises:
        BRCodeInvalid: it is damaged, no Pix, or asks for another amount.
    """
    code = decode(text)
    if code.amount != amount and (code.amount is not None or not code.url):
        raise BRCodeInvalid(f"the BR Code asks for {code.amount} and not for {amount}")
    return code


def is_txid(text: str) -> bool:
    """Tell whether ``text`` may name a charge at the Pix API (a dynamic code): 26 to 35 letters and digits."""
    return bool(TXID.fullmatch(text))


def crc16(text: str) -> str:
    """Return the CRC-16/CCITT-FALSE of ``text`` as four upper-case hexadecimal digits."""
    return f"{crc_hqx(text.encode(), 0xFFFF):04X}"


def _fields(fields: list[tuple[str, str]]) -> str:
    """Return the fields that have a value, one after another."""
    return "".join(_field(identifier, value) for identifier, value in fields if value)


def _field(identifier: str, value: str) -> str:
    if len(value) > 99 or not value.isascii() or not value.isprintable():
        raise BRCodeInvalid(f"{value!r} does not fit into a BR Code")
    return f"{identifier}{len(value):02}{value}"


def _parsed(text: str) -> dict[str, str]:
    return dict(_split(text))


def _split(text: str) -> Iterator[tuple[str, str]]:
    while text:
        head, text = text[:4], text[4:]
        if not (len(head) == 4 and head.isascii() and head.isdecimal()) or len(text) < int(head[2:]):
            raise BRCodeInvalid("the BR Code is damaged")
        yield head[:2], text[: int(head[2:])]
        text = text[int(head[2:]) :]


def _pix_account(fields: Mapping[str, str]) -> dict[str, str]:
    for account in (_parsed(fields[identifier]) for identifier in ACCOUNTS if identifier in fields):
        if account.get("00", "").lower() == GUI:
            return account
    raise BRCodeInvalid("the BR Code is no Pix")


def _amount(text: str) -> Money:
    if not AMOUNT.fullmatch(text):
        raise BRCodeInvalid(f"{text!r} is no amount")
    try:
        return Money(Decimal(text), REAIS)
    except (ValueError, InvalidOperation) as error:
        raise BRCodeInvalid(f"{text!r} is no amount") from error


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
