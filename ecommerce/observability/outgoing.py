"""One HTTP request to another system: its span, and its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from ecommerce.observability import metrics, tracing


class Request:
    """A request on its way. Send ``headers`` along, and say what it was ``answered``."""

    def __init__(self, span: tracing.Span) -> None:
        self.headers = tracing.carrier()
        self.outcome = "no_answer"
        self._span = span

    def answered(self, status: int) -> None:
        self.outcome = str(status)
        self._span.set({"http.response.status_code": status})
        if status >= 400:
            self._span.fail(str(status))


@contextmanager
def request(peer: str, method: str, *, host: str) -> Iterator[Request]:
    """Open the span of one request to ``peer``, which is our own name of that system, and measure it.

    The URL is no part of it: it holds ids.
    """
    started, outcome = perf_counter(), ""
    attributes = {"http.request.method": method, "server.address": host, "peer.service": peer}
    try:
        with tracing.span(f"{method} {peer}", attributes, kind="client") as span:
            sent = Request(span)
            yield sent
            outcome = sent.outcome
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        metrics.OUTGOING_SECONDS.labels(peer, method, outcome).observe(perf_counter() - started)
