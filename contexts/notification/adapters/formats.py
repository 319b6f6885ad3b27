"""How money, days and times are written in each language."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ecommerce.clock import BRASILIA

SYMBOLS = {"BRL": "R$", "USD": "US$", "EUR": "€", "JPY": "¥"}


def money(value: dict[str, str], locale: str) -> str:
    """Return ``{"amount", "currency"}`` as people write it: ``R$ 1.234,50`` or ``R$1,234.50``."""
    amount = f"{Decimal(value['amount']):,}"
    symbol = SYMBOLS.get(value["currency"], value["currency"])
    if locale == "pt-br":
        return f"{symbol}\N{NO-BREAK SPACE}{amount.translate(str.maketrans(',.', '.,'))}"
    return f"{symbol}{amount}"


def is_zero(value: dict[str, str]) -> bool:
    return not Decimal(value["amount"])


def day(value: str, locale: str) -> str:
    """Return an ISO date, or the day in Brasília of an RFC 3339 time, as people write it."""
    at = date.fromisoformat(value) if len(value) == 10 else _local(value)
    return f"{at:%d/%m/%Y}" if locale == "pt-br" else f"{at:%b %d, %Y}"


def moment(value: str, locale: str) -> str:
    """Return an RFC 3339 time in Brasília as people write it."""
    at = _local(value)
    return f"{at:%d/%m/%Y %H:%M}" if locale == "pt-br" else f"{at:%b %d, %Y %H:%M}"


def filters(locale: str) -> dict[str, Any]:
    """Return the shop's template filters for one language."""
    return {
        "money": lambda value: money(value, locale),
        "is_zero": is_zero,
        "date": lambda value: day(value, locale),
        "datetime": lambda value: moment(value, locale),
    }


def _local(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(BRASILIA)
