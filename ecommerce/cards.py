"""The rule that a card number never enters the system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_UUID = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
_CARD_NUMBER = re.compile(r"(?<![0-9A-Za-z])[2-6](?:[ .-]?[0-9]){12,18}(?![0-9A-Za-z])")


def holds_card_number(value: Any) -> bool:
    """Tell whether a card number stands anywhere in ``value``: a string, a number, or JSON nested to any depth.

    A card number is 13 to 19 digits, in groups or not, that begin like a card's issuer and pass the Luhn check. UUIDs
    are let through.
    """
    return any(
        _passes_luhn(re.sub(r"[^0-9]", "", match.group()))
        for text in _texts(value)
        for match in _CARD_NUMBER.finditer(_UUID.sub(" ", text).replace("_", " "))
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def _passes_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
