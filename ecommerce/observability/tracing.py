"""Spans: what took how long, as part of what, across threads, processes and services.

The current span is the ``traceparent`` of the request context. So logs, events and sagas name it without knowing of
spans, and whoever binds a context from elsewhere opens a span with that ``parent``. Without an OTLP endpoint nothing of
OpenTelemetry is imported: every span is then the same object, which does nothing, and the ids travel on alone.

Attributes follow OpenTelemetry's semantic conventions. They hold no personal data: no addresses, no tokens, no URLs
with ids, no parameters of statements, no texts of errors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ecommerce.observability.context import TRACEPARENT, bound_or_none
from ecommerce.observability.spans import NONE, NOT_RECORDED, Attributes, Kind, Span

if TYPE_CHECKING:
    from ecommerce.observability.recording import Recorder

__all__ = [
    "ENABLED", "NOT_RECORDED", "Attributes", "Span",
    "carrier", "configured", "flush", "remote", "spare_imports", "span",
]  # fmt: skip


def configured(environment: Mapping[str, str]) -> bool:
    """Tell whether the standard variables of OpenTelemetry name somebody to send spans to."""
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return bool(endpoint) and not off


ENABLED = configured(os.environ)


def spare_imports() -> None:
    """Without tracing, let nobody import the SDK. Call it before anything else is imported.

    redis-py takes it when it finds it, for figures that nobody asked for: 10 MB in each process and a tenth of a
    second of its start.
    """
    if not ENABLED:
        sys.modules.setdefault("opentelemetry.sdk", None)  # type: ignore[arg-type]


def span(
    name: str,
    attributes: Attributes = NONE,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    links: Sequence[str] = (),
) -> Span:
    """Return a span to use as a block.

    ``name`` has few values: a route, a method, never an id. ``parent`` is the traceparent of another process or thread,
    empty for the first span of a trace; without it the span belongs to the current one. ``links`` are traceparents of
    other traces that it works for as well.
    """
    if not ENABLED:
        return NOT_RECORDED
    return _recorder(os.getpid()).span(name, attributes, kind=kind, parent=parent, links=links)


def carrier() -> dict[str, str]:
    """Return the headers that let whoever gets them continue the current span; none outside of any request."""
    context = bound_or_none()
    return {"traceparent": context.traceparent} if context else {}


def remote(headers: Mapping[str, str]) -> str:
    """Return what ``headers`` (by lower-case name) tell of the caller's span, as ``parent``; empty if nothing."""
    traceparent = headers.get("traceparent", "")
    return traceparent if TRACEPARENT.fullmatch(traceparent) else ""


def flush() -> None:
    """Send what was recorded, before a process ends that runs no exit functions. Otherwise they see to it."""
    if ENABLED and _recorder.cache_info().currsize:
        _recorder(os.getpid()).flush()


@lru_cache(maxsize=1)
def _recorder(process: int) -> Recorder:
    """Return the recorder of a process, made by its first span: threads do not survive a fork."""
    from ecommerce.observability.recording import Recorder

    return Recorder()
