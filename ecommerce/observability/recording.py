"""Spans on their way to an OTLP receiver. Only ``ecommerce.observability.tracing`` imports it, where one is configured.

Exporter, batches and sampling are the SDK's, set by the standard ``OTEL_…`` variables.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextvars import Token
from dataclasses import replace
from multiprocessing.util import Finalize
from typing import Self

from django.conf import settings
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from ecommerce.errors import DomainError
from ecommerce.errors import Kind as ErrorKind
from ecommerce.observability import context as request_context
from ecommerce.observability.context import RequestContext
from ecommerce.observability.spans import Attributes, Kind, Span

KINDS = {kind.name.lower(): kind for kind in SpanKind}
FLUSH_MILLISECONDS = 5000


class Recorder:
    """The spans of one process."""

    def __init__(self) -> None:
        instance = f"{socket.gethostname()}:{os.getpid()}"
        resource = Resource.create({"service.name": settings.SERVICE_NAME, "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ecommerce")
        # Runs at the end of any process and of forked children of multiprocessing too, which skip `atexit`.
        Finalize(None, self._provider.shutdown, exitpriority=0)

    def span(
        self, name: str, attributes: Attributes, *, kind: Kind, parent: str | None, links: Sequence[str]
    ) -> RecordedSpan:
        return RecordedSpan(self._tracer, name, attributes, KINDS[kind], parent, links)

    def flush(self) -> None:
        self._provider.force_flush(FLUSH_MILLISECONDS)


class RecordedSpan(Span):
    def __init__(
        self,
        tracer: Tracer,
        name: str,
        attributes: Attributes,
        kind: SpanKind,
        parent: str | None,
        links: Sequence[str],
    ) -> None:
        self._tracer, self._name, self._attributes, self._kind = tracer, name, attributes, kind
        self._parent, self._links = parent, links
        self._token: Token[RequestContext | None] | None = None

    def begin(self) -> Self:
        self._begin(request_context.bound_or_none())
        return self

    def __enter__(self) -> Self:
        bound = request_context.bound_or_none()
        self._begin(bound)
        context = replace(bound or request_context.current(), traceparent=self.traceparent)
        self._span.set_attribute("correlation_id", context.correlation_id)
        self._token = request_context.bind(context)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._token is not None
        request_context.unbind(self._token)
        if isinstance(error := exception[1], BaseException):
            self._note(error)
        self._span.end()

    def end(self) -> None:
        self._span.end()

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    def _begin(self, bound: RequestContext | None) -> None:
        parent = self._parent
        if parent is None:
            parent = bound.traceparent if bound else ""
        self._span = self._tracer.start_span(
            self._name,
            _continuing(parent),
            kind=self._kind,
            attributes=self._attributes,
            links=[Link(found) for traceparent in self._links if (found := _span_context(traceparent))],
        )
        self.traceparent = _traceparent(self._span.get_span_context())

    def _note(self, error: BaseException) -> None:
        """A refusal is an answer, not a failure."""
        if isinstance(error, DomainError) and error.kind != ErrorKind.UNAVAILABLE:
            self._span.set_attribute("refused", error.code)
        else:
            self.fail(type(error).__qualname__)


def _continuing(traceparent: str) -> Context:
    """Return a context whose current span is the given one, or none."""
    found = _span_context(traceparent)
    return set_span_in_context(NonRecordingSpan(found), Context()) if found else Context()


def _span_context(traceparent: str) -> SpanContext | None:
    if not request_context.TRACEPARENT.fullmatch(traceparent):
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
