"""The spans of events on their way to the broker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecommerce.messaging.traces import sending
from ecommerce.observability import tracing
from tests.e2e.otlp import Receiver
from tests.ecommerce.messaging.test_broker import message


def test_what_is_sent_continues_the_span_of_its_sending(receiver: Receiver) -> None:
    with sending([message()], system="rabbitmq") as (sent,):
        pass
    tracing.flush()

    (span,) = receiver.await_spans(lambda spans: len(spans) == 1, within=20)
    assert sent.envelope.traceparent[3:52] == f"{span.trace_id}-{span.span_id}"


@pytest.mark.parametrize("headers", ['{"x": "y"}', "[]"])
def test_a_message_whose_envelope_is_unreadable_is_sent_without_a_span(receiver: Receiver, headers: str) -> None:
    unreadable = replace(message(), headers=headers)

    with sending([unreadable, message()], system="rabbitmq") as sent:
        pass
    tracing.flush()

    assert sent[0] == unreadable
    (span,) = receiver.await_spans(lambda spans: len(spans) == 1, within=20)
    assert sent[1].envelope.traceparent[36:52] == span.span_id
