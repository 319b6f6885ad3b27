"""The JSON that comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from ecommerce.codec import Undecodable, read_json


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
            return read_json(body)
        except Undecodable as error:
            raise ParseError(f"JSON: {error}") from error
