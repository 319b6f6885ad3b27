"""Who asked, and as part of what: the facts that every log line, event and outgoing call carries along."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace

from ecommerce.ids import new_id

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """``correlation_id`` is the same for everything that one request set off, ``causation_id`` names the message that
    led here directly, ``traceparent`` is W3C Trace Context, ``actor`` is ``user:<id>``, ``system`` or empty.
    """

    correlation_id: str
    causation_id: str = ""
    traceparent: str = ""
    actor: str = ""

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        return self.traceparent[36:52]


_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current() -> RequestContext:
    """Return the context bound here; outside any request or message a new one, with an identity of its own."""
    return _context.get() or RequestContext(correlation_id=str(new_id()), traceparent=child_of(""))


def bound_or_none() -> RequestContext | None:
    return _context.get()


@contextmanager
def bound(
    *, correlation_id: str = "", causation_id: str = "", traceparent: str = "", actor: str = ""
) -> Iterator[RequestContext]:
    """Bind a context for the length of a ``with`` block, as a consumer does for each message.

    A missing or malformed correlation id or traceparent is replaced by a new one; a good traceparent is continued by an
    id of our own. Nobody records that one: open a span inside with the same ``parent`` where the block is to be seen.
    """
    context = incoming(correlation_id, traceparent, causation_id=causation_id, actor=actor)
    token = bind(context)
    try:
        yield context
    finally:
        unbind(token)


def incoming(correlation_id: str, traceparent: str, *, causation_id: str = "", actor: str = "") -> RequestContext:
    """Return the context of a request or message that arrived with these headers, which are not to be trusted."""
    if not CORRELATION_ID.fullmatch(correlation_id):
        correlation_id = str(new_id())
    return RequestContext(correlation_id, causation_id, child_of(traceparent), actor)


def bind(context: RequestContext) -> Token[RequestContext | None]:
    """Make ``context`` current until :func:`unbind`; prefer :func:`bound` where a block can hold it."""
    return _context.set(context)


def unbind(token: Token[RequestContext | None]) -> None:
    _context.reset(token)


def set_actor(actor: str) -> None:
    """Name who acts in the bound context, once authentication knows; without a bound context nothing happens."""
    if context := _context.get():
        _context.set(replace(context, actor=actor))


def child_of(traceparent: str) -> str:
    """Return a traceparent for a new span of the same trace, or of a new trace when the given one is malformed."""
    if TRACEPARENT.fullmatch(traceparent):
        return f"{traceparent[:36]}{os.urandom(8).hex()}{traceparent[52:]}"
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
