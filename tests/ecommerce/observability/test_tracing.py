"""Spans: nothing at all without a receiver, and what a receiver is told."""

from __future__ import annotations

import gc
import multiprocessing
import subprocess
import sys
import tracemalloc

import pytest

from ecommerce.errors import Conflict, Unavailable
from ecommerce.observability import context, tracing
from tests.e2e.otlp import Received, Receiver

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WHILE_OFF = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
import django; django.setup()
import redis
from django.test import Client
from ecommerce.observability import tracing
assert Client().get("/api/nothing").status_code == 404
with tracing.span("x"): pass
print(sorted(name for name, module in sys.modules.items() if module and name.startswith(
    ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf",
     "ecommerce.observability.recording"))))
"""


def received(receiver: Receiver, count: int = 1) -> list[Received]:
    tracing.flush()
    return receiver.await_spans(lambda spans: len(spans) >= count, within=20)


def test_without_a_receiver_nothing_of_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", WHILE_OFF], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_without_a_receiver_a_span_is_one_object_and_leaves_nothing_behind() -> None:
    assert tracing.span("one") is tracing.span("another", kind="server", parent=CALLER)

    def thousand() -> None:
        for _ in range(1000):
            with tracing.span("x", kind="client") as span:
                span.fail("y")

    thousand()
    gc.collect()
    tracemalloc.start()
    try:
        thousand()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024, "not an object for each of them"


def test_without_a_receiver_the_trace_of_the_caller_travels_on() -> None:
    with context.bound(traceparent=CALLER), tracing.span("x", kind="server", parent=CALLER):
        assert tracing.carrier()["traceparent"][3:35] == CALLER[3:35]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_turn_it_on(environment: dict[str, str], expected: bool) -> None:
    assert tracing.configured(environment) is expected


def test_a_span_continues_its_caller_and_its_children_continue_it(receiver: Receiver) -> None:
    asked = tracing.remote({"traceparent": CALLER})
    with (
        context.bound(correlation_id="c-1", traceparent=CALLER),
        tracing.span("outer", {"http.route": "/x"}, kind="server", parent=asked),
        tracing.span("inner"),
    ):
        told = tracing.carrier()["traceparent"]

    inner, outer = sorted(received(receiver, 2), key=lambda span: span.name)
    assert (outer.trace_id, outer.parent_id) == (CALLER[3:35], CALLER[36:52])
    assert (inner.trace_id, inner.parent_id) == (CALLER[3:35], outer.span_id)
    assert told == f"00-{CALLER[3:35]}-{inner.span_id}-01"
    assert outer.attributes == {"http.route": "/x", "correlation_id": "c-1"}
    assert outer.kind == "server"


def test_what_arrives_malformed_begins_a_trace_of_its_own(receiver: Receiver) -> None:
    with tracing.span("x", parent=tracing.remote({"traceparent": "00-forged"})):
        pass

    (span,) = received(receiver)
    assert span.parent_id == ""


def test_an_error_fails_the_span_by_its_class_and_never_by_its_text(receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="ana"), tracing.span("x"):
        raise ValueError("no such user: ana@example.com")

    (span,) = received(receiver)
    assert span.failed
    assert span.attributes["error.type"] == "ValueError"
    assert "ana" not in str(span)


def test_a_refusal_is_an_answer_and_a_neighbour_out_of_reach_a_failure(receiver: Receiver) -> None:
    class OutOfStock(Conflict):
        code = "out_of_stock"

    for error in (OutOfStock("none left"), Unavailable("catalog")):
        with pytest.raises(type(error)), tracing.span(type(error).__name__):
            raise error

    refusal, failure = sorted(received(receiver, 2), key=lambda span: span.failed)
    assert (refusal.failed, refusal.attributes["refused"]) == (False, "out_of_stock")
    assert (failure.failed, failure.attributes["error.type"]) == (True, "Unavailable")


def test_spans_that_overlap_are_current_nowhere(receiver: Receiver) -> None:
    before = context.bound_or_none()
    spans = [tracing.span(name, parent=CALLER).begin() for name in ("a", "b")]
    assert context.bound_or_none() is before
    for span in spans:
        span.end()

    assert [span.parent_id for span in received(receiver, 2)] == [CALLER[36:52]] * 2


def test_what_is_not_sampled_is_not_sent_but_travels_on(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    with tracing.span("unseen", parent="") as span:
        inside = tracing.carrier()["traceparent"]
    with tracing.span("seen", parent=CALLER):
        pass

    assert [each.name for each in received(receiver)] == ["seen"]
    assert inside == span.traceparent
    assert int(inside[-2:], 16) & 1 == 0, "the flag says that nobody recorded it"


def record_in_child() -> None:
    with tracing.span("child"):
        pass


def test_a_forked_process_sends_its_own_and_sends_it_before_it_ends(receiver: Receiver) -> None:
    with tracing.span("parent"):
        pass
    child = multiprocessing.get_context("fork").Process(target=record_in_child)
    child.start()
    child.join(timeout=30)

    spans = {span.name: span for span in received(receiver, 2)}
    processes = {name: span.process["service.instance.id"] for name, span in spans.items()}
    assert child.exitcode == 0
    assert processes["child"].endswith(f":{child.pid}")
    assert processes["parent"] != processes["child"]
