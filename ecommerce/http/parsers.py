"""The JSON that comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 64
"""Objects and lists within each other. No endpoint wants ten; Python and orjson give up at some hundreds."""


class JSONParser(BaseParser):
    """Strict JSON in UTF-8: no NaN, the place of a mistake is named, and ``DATA_UPLOAD_MAX_MEMORY_SIZE`` holds.

    Raises:
        ParseError: the body is not JSON, or nested too deep.
        RequestDataTooBig: it is longer than that; REST framework itself would read it to the end.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise RequestDataTooBig
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"JSON: {error}") from error
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper(data, MAX_DEPTH):
            raise ParseError(f"JSON: mais de {MAX_DEPTH} níveis.")
        return data


def _is_deeper(data: Any, most: int) -> bool:
    level = [data]
    for _ in range(most):
        level = [item for each in level for item in _items(each)]
    return any(isinstance(item, dict | list) for item in level)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
