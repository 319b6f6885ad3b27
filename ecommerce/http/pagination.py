"""Pages by cursor: the same price on page 1 and page 1,000, and no row twice or missed while others are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ecommerce import codec

Row = TypeVar("Row")
MAX_CURSOR_LENGTH = 1024
LONGEST_NUMBER = 40
"""Digits."""


class InvalidCursor(ValidationError):
    default_code = "invalid_cursor"
    default_detail = "O cursor não é válido; comece da primeira página."


@dataclass(frozen=True)
class CursorPage:
    """The page that a request asks for. Fetch ``limit + 1`` rows that sort behind ``after``, and :meth:`respond`.

    ``after`` holds the sort key of the last row of the page before, as JSON values or as ``types``; None on page one.
    Sort by a unique key: end it with the id.
    """

    request: Request
    limit: int
    after: list[Any] | None

    @classmethod
    def from_request(
        cls, request: Request, *, default: int = 24, maximum: int = 100, types: Sequence[type] = ()
    ) -> CursorPage:
        """Read ``?limit=`` (capped at ``maximum``) and ``?cursor=``.

        ``types`` are those of the sort key, such as ``(datetime, UUID)``: ``after`` then holds values of them.

        Raises:
            ValidationError: the limit is not a positive whole number.
            InvalidCursor: we did not make this cursor.
        """
        given = request.GET.get("limit", "")
        if given and not (given.isascii() and given.isdigit() and int(given[:9]) > 0):
            raise ValidationError({"limit": ["Deve ser um número inteiro positivo."]})
        limit = min(int(given[:9]), maximum) if given else default
        cursor = request.GET.get("cursor", "")
        return cls(request, limit, decode_cursor(cursor, types) if cursor else None)

    def respond(self, rows: Sequence[Row], *, key: Callable[[Row], Sequence[Any]], **extra: Any) -> Response:
        """Answer with this page of ``rows``; ``extra`` members stand beside ``results`` and ``next``."""
        return Response({**page_of(self, rows, key=key), **extra})


def page_of(page: CursorPage, rows: Sequence[Row], *, key: Callable[[Row], Sequence[Any]]) -> dict[str, Any]:
    """Return ``{"results", "next"}`` of up to ``limit + 1`` fetched ``rows``; ``next`` is a URL or None.

    ``key`` gives the sort key of a row: strings, numbers, decimals, times and UUIDs.
    """
    results = rows[: page.limit]
    following = None
    if len(rows) > page.limit:
        following = next_url(page, key(results[-1]))
    return {"results": results, "next": following}


def next_url(page: CursorPage, key: Sequence[Any]) -> str:
    """Return the URL of the page behind the row with this sort key."""
    asked = [(name, values) for name, values in page.request.GET.lists() if name != "cursor"]
    query = urlencode([*asked, ("cursor", encode_cursor(key))], doseq=True)
    return page.request.build_absolute_uri(f"{page.request.path}?{query}")


def encode_cursor(key: Sequence[Any]) -> str:
    """Return an opaque cursor for the place behind a row with this sort key."""
    return base64.urlsafe_b64encode(codec.encode(list(key))).rstrip(b"=").decode()


def decode_cursor(cursor: str, types: Sequence[type] = ()) -> list[Any]:
    """Return the sort key inside a cursor.

    Raises:
        InvalidCursor: it is not one of ours, or not of these types.
    """
    try:
        if len(cursor) > MAX_CURSOR_LENGTH:
            raise ValueError("too long")
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        shape: Any = tuple[tuple(types)] if types else list[str | int | float | bool | None]  # type: ignore[misc]
        key = list(codec.decode(data, shape))
        if not all(_is_storable(value) for value in key):
            raise ValueError("beyond what PostgreSQL knows")
    except (codec.Undecodable, binascii.Error, ValueError) as error:
        raise InvalidCursor({"cursor": [InvalidCursor.default_detail]}) from error
    return key


def _is_storable(value: Any) -> bool:
    """Tell whether a value can be compared with a column: no cursor of ours holds one that cannot."""
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, datetime):
        return value.tzinfo is not None and 1 < value.year < MAXYEAR
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value.adjusted()) < LONGEST_NUMBER
    return not isinstance(value, int) or abs(value) < 10**LONGEST_NUMBER
