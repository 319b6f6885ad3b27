"""Which representation to answer with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JSONFirst(DefaultContentNegotiation):
    """A view that speaks JSON only answers JSON whatever ``Accept`` says, as RFC 9110 allows; others negotiate."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        first, *others = renderers
        if not others:
            return first, first.media_type
        return super().select_renderer(request, [first, *others], format_suffix)
