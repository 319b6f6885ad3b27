import pytest
from prometheus_client import REGISTRY

from ecommerce.observability import context, outgoing


def count(outcome: str) -> float:
    labels = {"peer": "gateway", "method": "POST", "outcome": outcome}
    return REGISTRY.get_sample_value("outgoing_request_seconds_count", labels) or 0.0


def test_a_request_is_measured_by_the_status_of_its_answer() -> None:
    before = count("201")
    with outgoing.request("gateway", "POST", host="gateway.example") as request:
        request.answered(201)

    assert count("201") == before + 1


def test_a_request_without_an_answer_is_measured_by_the_class_of_the_error() -> None:
    before = count("TimeoutError")
    with pytest.raises(TimeoutError), outgoing.request("gateway", "POST", host="gateway.example"):
        raise TimeoutError("after 10 s")

    assert count("TimeoutError") == before + 1


def test_the_trace_of_whoever_asks_goes_along() -> None:
    with context.bound() as bound, outgoing.request("gateway", "POST", host="gateway.example") as request:
        assert request.headers["traceparent"][3:35] == bound.trace_id
