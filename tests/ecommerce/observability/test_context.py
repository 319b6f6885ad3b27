import re
from threading import Thread

import pytest

from ecommerce.observability import context

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_bound_context_is_current_until_its_block_ends() -> None:
    with context.bound(correlation_id="order-1", causation_id="message-1", actor="user:1") as bound:
        assert context.current() is bound
        assert (bound.correlation_id, bound.causation_id, bound.actor) == ("order-1", "message-1", "user:1")
        with context.bound(correlation_id="order-2"):
            assert context.current().correlation_id == "order-2"
        assert context.current() is bound

    assert context.bound_or_none() is None


def test_a_block_that_fails_unbinds_too() -> None:
    with pytest.raises(ZeroDivisionError), context.bound():
        raise ZeroDivisionError

    assert context.bound_or_none() is None


def test_a_trace_is_continued_by_a_span_of_our_own() -> None:
    with context.bound(traceparent=PARENT) as bound:
        assert bound.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert bound.traceparent[:36] == PARENT[:36]
        assert bound.traceparent[36:52] != PARENT[36:52]
        assert bound.traceparent[52:] == "-01"


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "x",
        PARENT.upper(),
        PARENT + "0",
        PARENT + "\n",
        "01" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
    ],
)
def test_a_malformed_trace_is_replaced_by_a_new_one(malformed: str) -> None:
    with context.bound(traceparent=malformed) as bound:
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", bound.traceparent)
        assert bound.trace_id not in malformed.lower()


@pytest.mark.parametrize("malformed", ["", "a b", "x" * 65, 'x"', "x\n", "é"])
def test_a_malformed_correlation_id_is_replaced(malformed: str) -> None:
    with context.bound(correlation_id=malformed) as bound:
        assert re.fullmatch("[0-9a-f-]{36}", bound.correlation_id)


def test_outside_of_everything_there_is_still_an_identity() -> None:
    first, second = context.current(), context.current()

    assert first.correlation_id != second.correlation_id
    assert first.trace_id


def test_the_actor_is_named_when_it_becomes_known() -> None:
    with context.bound(correlation_id="c"):
        context.set_actor("user:7")
        assert (context.current().actor, context.current().correlation_id) == ("user:7", "c")
    context.set_actor("user:8")

    assert context.current().actor == ""


def test_threads_do_not_see_each_other() -> None:
    seen: list[object] = []
    with context.bound():
        thread = Thread(target=lambda: seen.append(context.bound_or_none()))
        thread.start()
        thread.join()

    assert seen == [None]
