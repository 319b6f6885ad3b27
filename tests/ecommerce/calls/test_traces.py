"""A call is part of the caller's trace, here and over HTTP."""

from __future__ import annotations

from ecommerce.observability import context, tracing
from tests.e2e.otlp import Receiver
from tests.ecommerce.calls.parcels import ParcelInterface, Post
from tests.ecommerce.calls.servers import Application


def test_a_call_over_http_is_a_span_of_the_caller_and_one_of_the_other_side(
    receiver: Receiver, application: Application, parcels: ParcelInterface, post: Post
) -> None:
    with context.bound(), tracing.span("outer", parent=""):
        parcels.find(ids=[])
    tracing.flush()

    spans = {span.name: span for span in receiver.await_spans(lambda spans: len(spans) >= 3, within=20)}
    call = spans["ParcelInterface.find"]
    served = next(span for span in spans.values() if span.kind == "server")
    assert (call.kind, call.parent_id) == ("client", spans["outer"].span_id)
    assert (served.trace_id, served.parent_id) == (call.trace_id, call.span_id)
    assert served.name.startswith("POST /internal/")


def test_a_call_within_the_process_is_one_span(receiver: Receiver, parcels: ParcelInterface, post: Post) -> None:
    with context.bound(), tracing.span("outer", parent=""):
        parcels.find(ids=[])
    tracing.flush()

    spans = {span.name: span for span in receiver.await_spans(lambda spans: len(spans) >= 2, within=20)}
    assert spans["ParcelInterface.find"].parent_id == spans["outer"].span_id
    assert len(post.calls) == 1
