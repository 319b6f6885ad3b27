"""The JSON that goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer


def _foreign(value: Any) -> Any:
    """Turn what msgspec does not know into what it does."""
    if isinstance(value, str | Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be rendered as JSON")


_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical", enc_hook=_foreign)


def to_json(value: Any) -> bytes:
    """Return ``value`` as JSON: decimals as strings, times as RFC 3339 (UTC ends in Z), dataclasses as objects.

    Also takes lazy translations, DRF's error details and querysets of ``values()``; these are read to the end.
    """
    return _encoder.encode(value)


class JSONRenderer(BaseRenderer):
    """Renders any data by :func:`to_json`; ``bytes`` are JSON already, perhaps made by PostgreSQL, and pass through."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        if isinstance(data, bytes):
            return data
        return to_json(data)
