"""What a table can hold of a message that anybody may have written."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any


def text(value: str) -> str:
    """Return ``value`` with a mark in place of what PostgreSQL takes in no text: NUL, and surrogates without a pair."""
    return value.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def json(value: Any) -> Any:
    """Return the value of a message header as a ``jsonb`` column takes it.

    AMQP knows times, bytes and decimals, which JSON does not (``x-death`` holds a time): they become text.
    """
    match value:
        case str():
            return text(value)
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return text(value.decode(errors="replace"))
        case datetime():
            return value.isoformat()
        case dict():
            return {text(str(name)): json(each) for name, each in value.items()}
        case list() | tuple():
            return [json(each) for each in value]
        case _:
            return text(str(value))
