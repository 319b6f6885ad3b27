"""What a span is to whoever opens one; by itself it records nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Self

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | bool | int | float]
NONE: Attributes = MappingProxyType({})


class Span:
    """A span that is not recorded. As a block it is the current one; an exception that leaves the block fails it."""

    traceparent = ""
    """Of this span, once it has begun."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self) -> Self:
        """Begin without becoming the current span, where many overlap; ``end`` it."""
        return self

    def end(self) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, error_type: str) -> None:
        """Mark it as failed: a class of errors or a status, never a text."""


NOT_RECORDED = Span()
