"""The client: time, retries, connections, the circuit breaker, and answers that are none."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import circuitbreaker
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from prometheus_client import REGISTRY

from ecommerce import clock, codec
from ecommerce.calls import CallInTransaction, CallMismatch, keys, remote
from ecommerce.calls.operation import operations
from ecommerce.calls.remote import ATTEMPTS
from ecommerce.calls.signing import Signer
from ecommerce.deadline import due_by
from ecommerce.errors import Conflict, TooMany, Unavailable, Unreachable
from ecommerce.observability import context as request_context
from ecommerce.topology import Topology
from tests.ecommerce.calls.parcels import AlreadySent, Label, Parcel, ParcelInterface, Post, UnknownToCallers
from tests.ecommerce.calls.servers import Application, Scripted, body, hang_up, silence, then_closing

FOUND = body(200, b"[]")
Start = Callable[..., Scripted]


def parcel() -> Parcel:
    return Parcel(id=uuid4())


def raising(error: Exception) -> Callable[[str, dict[str, Any]], Any]:
    def answer(name: str, arguments: dict[str, Any]) -> Any:
        raise error

    return answer


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_connections_are_used_again(application: Application, post: Post, parcels: ParcelInterface) -> None:
    for _ in range(20):
        parcels.find(ids=[uuid4()])

    assert (len(post.calls), application.connections) == (20, 1)


def test_a_forked_process_has_connections_of_its_own(
    application: Application, post: Post, parcels: ParcelInterface
) -> None:
    parcels.find(ids=[])
    if not (child := os.fork()):
        try:
            parcels.find(ids=[])
            os._exit(0 if application.connections == 1 else 2)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    parcels.find(ids=[])

    assert (len(post.calls), application.connections) == (3, 2)


def test_one_token_serves_many_calls(
    application: Application, post: Post, parcels: ParcelInterface, scripted: Start
) -> None:
    server = scripted(FOUND)
    for _ in range(3):
        parcels.find(ids=[])

    assert len({headers["Authorization"] for headers in server.requests}) == 1


def test_who_acts_and_why_travels_along(scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(FOUND)
    with request_context.bound(correlation_id="purchase-1", causation_id="event-1", actor="user:ç") as bound:
        parcels.find(ids=[])

    (headers,) = server.requests
    assert (headers["X-Correlation-ID"], headers["X-Causation-ID"]) == ("purchase-1", "event-1")
    assert (headers["X-Actor"], headers["traceparent"]) == ("user:%C3%A7", bound.traceparent)


def test_the_deadline_is_the_nearer_of_the_methods_and_the_callers(scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(FOUND)
    parcels.find(ids=[])
    with due_by(clock.now() + timedelta(milliseconds=800)):
        parcels.find(ids=[])

    first, second = (int(headers["X-Deadline-Ms"]) for headers in server.requests)
    assert 800 < first <= 2000
    assert 0 < second <= 800


def test_without_time_left_nothing_is_sent(scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(FOUND)
    with due_by(clock.now() - timedelta(seconds=1)), pytest.raises(Unreachable):
        parcels.find(ids=[])

    assert server.requests == []


def test_a_silent_neighbour_is_left_when_the_time_is_over(scripted: Start, parcels: ParcelInterface) -> None:
    scripted(silence)
    started = time.monotonic()
    with due_by(clock.now() + timedelta(milliseconds=300)), pytest.raises(Unreachable) as refusal:
        parcels.find(ids=[])

    assert time.monotonic() - started < 30
    assert refusal.value.params == {"context": "catalog"}


@pytest.mark.parametrize(
    "failing",
    [body(502, b"<html>", "text/html"), body(503, b"", "text/plain"), body(504, b"{}"), hang_up],
    ids=["502", "503", "504", "hung up"],
)
def test_an_idempotent_method_is_tried_again(failing: Any, scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(failing, failing, FOUND)

    assert parcels.find(ids=[]) == []
    assert len(server.requests) == 3


@pytest.mark.parametrize("failing", [body(503, b"", "text/plain"), hang_up], ids=["503", "hung up"])
def test_attempts_are_few(failing: Any, scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(failing)
    with pytest.raises(Unreachable):
        parcels.find(ids=[])

    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("failing", [body(503, b"", "text/plain"), hang_up], ids=["503", "hung up"])
def test_what_may_have_had_an_effect_is_sent_once(failing: Any, scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(failing)
    with pytest.raises(Unreachable):
        parcels.send(parcel=parcel())

    assert len(server.requests) == 1


def test_a_time_out_of_what_is_not_idempotent_is_not_tried_again(scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(silence)
    with due_by(clock.now() + timedelta(milliseconds=300)), pytest.raises(Unreachable):
        parcels.send(parcel=parcel())

    assert len(server.requests) == 1


def test_without_a_connection_every_method_is_tried_again(
    at: Callable[[str], None], parcels: ParcelInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing can have happened."""
    server = Scripted([body(200, b"null")])
    server.server_close()
    at(server.url)
    attempts: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", attempts.append)
    with pytest.raises(Unreachable):
        parcels.send(parcel=parcel())

    assert len(attempts) == ATTEMPTS - 1


def test_a_refusal_is_not_tried_again_and_does_not_open_the_circuit(
    application: Application, post: Post, parcels: ParcelInterface
) -> None:
    post.answer = raising(AlreadySent("Já foi.", at="2026"))
    for _ in range(10):
        with pytest.raises(AlreadySent) as refusal:
            parcels.find(ids=[])

    assert (refusal.value.detail, refusal.value.params) == ("Já foi.", {"at": "2026"})
    assert len(post.calls) == 10


def test_a_crash_of_the_other_side_is_unavailable_and_not_tried_again(
    application: Application, post: Post, parcels: ParcelInterface
) -> None:
    post.answer = raising(RuntimeError("the password is sesame"))
    with pytest.raises(Unavailable) as refusal:
        parcels.find(ids=[])

    assert type(refusal.value) is Unavailable
    assert "sesame" not in refusal.value.detail
    assert len(post.calls) == 1


def test_an_error_that_callers_do_not_know_is_of_its_kind_and_keeps_its_code(
    application: Application, post: Post, parcels: ParcelInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = dict(operations(ParcelInterface)["find"].errors)
    del errors["unknown_to_callers"]
    monkeypatch.setitem(operations(ParcelInterface)["find"].__dict__, "errors", errors)
    post.answer = raising(UnknownToCallers("Não.", why="new"))

    with pytest.raises(Conflict) as refusal:
        parcels.find(ids=[])

    assert type(refusal.value) is Conflict
    assert (refusal.value.code, refusal.value.params) == ("unknown_to_callers", {"why": "new"})
    assert Conflict.code == "conflict"


@pytest.mark.parametrize(
    "answer",
    [body(200, b"{"), body(200, b'{"a":1}'), body(200, b""), body(404, b"<html>", "text/html"), body(302, b""),
     body(409, codec.encode({"code": "x"}), "application/problem+json"), body(401, b"who are you?", "text/plain")],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_mismatch(answer: Any, scripted: Start, parcels: ParcelInterface) -> None:
    server = scripted(answer)
    with pytest.raises(CallMismatch, match="ParcelInterface.find"):
        parcels.find(ids=[])

    assert len(server.requests) == 1


def test_a_method_that_the_other_side_lacks_is_a_mismatch(application: Application, parcels: ParcelInterface) -> None:
    with pytest.raises(CallMismatch, match="unknown_method"):
        parcels.find(ids=[])


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Let time pass for circuit breakers; by itself it does not."""
    now = [time.monotonic()]
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now[0])

    def let_pass(seconds: float) -> None:
        now[0] += seconds

    yield let_pass
    remote.forget_neighbours()


def test_the_circuit_opens_lets_one_try_and_closes(
    scripted: Start, parcels: ParcelInterface, settings: Any, stopwatch: Callable[[float], None]
) -> None:
    settings.CALLS_BREAKER_FAILURES, settings.CALLS_BREAKER_SECONDS = 3, 2
    failing = body(503, b"", "text/plain")
    server = scripted(failing)

    def state() -> float:
        return counted("call_breaker_state", context="catalog")

    for _ in range(3):
        with pytest.raises(Unreachable):
            parcels.send(parcel=parcel())
    assert (len(server.requests), state()) == (3, 2)

    opened = counted("calls_total", interface="ParcelInterface", method="send", outcome="open")
    with pytest.raises(Unreachable) as refusal:
        parcels.send(parcel=parcel())
    assert refusal.value.params == {"context": "catalog", "retry_after": 2}
    assert len(server.requests) == 3
    assert counted("calls_total", interface="ParcelInterface", method="send", outcome="open") == opened + 1

    stopwatch(2)
    assert [sent(server, parcels) for _ in range(2)] == [4, 4]
    assert state() == 2, "the try failed"

    server.answers[:] = [body(200, b"null")]
    stopwatch(2)
    assert sent(server, parcels) == 5
    assert state() == 0
    parcels.send(parcel=parcel())
    assert len(server.requests) == 6


def sent(server: Scripted, parcels: ParcelInterface) -> int:
    """Call once and return how many calls got through so far."""
    try:
        parcels.send(parcel=parcel())
    except Unreachable:
        return len(server.requests)
    return len(server.requests)


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_half_open_only_one_call_at_a_time_tries(
    scripted: Start, parcels: ParcelInterface, settings: Any, stopwatch: Callable[[float], None]
) -> None:
    settings.CALLS_BREAKER_FAILURES, settings.CALLS_BREAKER_SECONDS = 1, 2
    server = scripted(body(503, b"", "text/plain"))
    with pytest.raises(Unreachable):
        parcels.send(parcel=parcel())
    server.answers[:] = [silence]
    stopwatch(2)

    trial = threading.Thread(target=lambda: sent(server, parcels))
    trial.start()
    until(lambda: len(server.requests) == 2)
    with pytest.raises(Unreachable) as refusal:
        parcels.send(parcel=parcel())
    server.released.set()
    trial.join(10)

    assert "retry_after" in refusal.value.params
    assert len(server.requests) == 2


def test_a_caller_that_had_too_little_time_opens_nothing(
    scripted: Start, parcels: ParcelInterface, settings: Any
) -> None:
    settings.CALLS_BREAKER_FAILURES = 1
    server = scripted(silence, FOUND)
    with due_by(clock.now() + timedelta(milliseconds=200)), pytest.raises(Unreachable):
        parcels.find(ids=[])

    assert parcels.find(ids=[]) == []
    assert len(server.requests) == 2


def test_nor_does_one_that_finds_all_connections_taken(
    scripted: Start, parcels: ParcelInterface, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CALLS_BREAKER_FAILURES = 1
    monkeypatch.setattr(remote, "CONNECTIONS", 1)
    server = scripted(silence)
    holder = threading.Thread(target=lambda: sent(server, parcels))
    holder.start()
    until(lambda: len(server.requests) == 1)
    with due_by(clock.now() + timedelta(seconds=1.2)), pytest.raises(Unreachable):
        parcels.find(ids=[])
    state = remote.neighbour("catalog", server.url)._breaker._circuit.state
    server.released.set()
    holder.join(10)

    assert (state, len(server.requests)) == ("closed", 1)


def test_what_goes_wrong_on_this_side_does_not_close_the_circuit(
    scripted: Start, parcels: ParcelInterface, settings: Any, stopwatch: Callable[[float], None], service_keys: Path
) -> None:
    settings.CALLS_BREAKER_FAILURES, settings.CALLS_BREAKER_SECONDS = 1, 2
    server = scripted(body(503, b"", "text/plain"), body(200, b"null"))
    assert sent(server, parcels) == 1
    stopwatch(2)
    neighbour = remote.neighbour("catalog", server.url)
    neighbour._signer = Signer("catalog")
    settings.SERVICE_KEYS_DIR = str(service_keys / "missing")
    with pytest.raises(ImproperlyConfigured):
        parcels.send(parcel=parcel())

    assert neighbour._breaker._circuit.state == "half_open"


def test_a_token_that_is_not_accepted_any_more_is_made_anew_at_once(
    application: Application, post: Post, parcels: ParcelInterface
) -> None:
    """As after its key was withdrawn: the caller still thinks that it is good."""
    parcels.find(ids=[])
    signer = remote.neighbour("catalog", application.url)._signer
    assert signer._token
    signer._token = replace(signer._token, text=f"{signer._token.text[:-8]}withdrawn")

    parcels.find(ids=[])

    assert (len(post.calls), len(application.requests)) == (2, 3)


def test_a_service_that_is_not_known_is_told_that_it_cannot_reach_anybody(
    application: Application, post: Post, parcels: ParcelInterface, service_keys: Path
) -> None:
    own = next(service_keys.glob("*+*"))
    (own / "private.pem").write_text(keys.new_private_pem())
    keys._keys.cache_clear()
    rejected = counted("calls_total", interface="ParcelInterface", method="find", outcome="rejected")

    with pytest.raises(Unreachable):
        parcels.find(ids=[])

    assert post.calls == []
    assert counted("calls_total", interface="ParcelInterface", method="find", outcome="rejected") == rejected + 1


def test_a_missing_scope_makes_a_neighbour_unreachable(
    application: Application, post: Post, parcels: ParcelInterface, settings: Any
) -> None:
    settings.SERVICE_GRANTS = {"order": ("catalog:read",)}

    assert parcels.find(ids=[]) == []
    with pytest.raises(Unreachable):
        parcels.send(parcel=parcel())


def test_a_context_without_an_address_names_the_variable(
    at: Callable[[str], None], parcels: ParcelInterface, settings: Any
) -> None:
    settings.TOPOLOGY = Topology(tuple(replace(each, local=False, url="") for each in settings.TOPOLOGY.contexts))
    with pytest.raises(ImproperlyConfigured, match="CATALOG_URL is not set"):
        parcels.find(ids=[])


def test_a_process_without_keys_names_the_variable(scripted: Start, parcels: ParcelInterface, settings: Any) -> None:
    scripted(FOUND)
    settings.SERVICE_KEYS_DIR = ""
    with pytest.raises(ImproperlyConfigured, match="SERVICE_KEYS_DIR is not set"):
        parcels.find(ids=[])


@pytest.mark.django_db(databases=["cart"])
@pytest.mark.parametrize("over_http", [True, False], ids=["over http", "in the process"])
def test_nobody_calls_inside_a_transaction(
    over_http: bool, application: Application, post: Post, parcels: ParcelInterface, at: Callable[[str], None]
) -> None:
    at(application.url if over_http else "")
    with transaction.atomic(using="cart"), pytest.raises(CallInTransaction):
        parcels.find(ids=[])

    assert (post.calls, application.requests) == ([], [])


@pytest.mark.parametrize("over_http", [True, False], ids=["over http", "in the process"])
def test_a_limit_inside_an_argument_holds(
    over_http: bool, application: Application, post: Post, parcels: ParcelInterface, at: Callable[[str], None]
) -> None:
    at(application.url if over_http else "")
    with pytest.raises(TooMany) as refusal:
        parcels.send(parcel=Parcel(id=uuid4(), label=Label(lines=["a", "b", "c"])))

    assert refusal.value.params == {"argument": "parcel.label.lines", "limit": 2, "given": 3}
    assert post.calls == []


def test_calls_are_counted_and_timed(application: Application, post: Post, parcels: ParcelInterface) -> None:
    before = counted("calls_total", interface="ParcelInterface", method="find", outcome="ok")
    timed = counted("call_duration_seconds_count", interface="ParcelInterface", method="find")
    parcels.find(ids=[])

    assert counted("calls_total", interface="ParcelInterface", method="find", outcome="ok") == before + 1
    assert counted("call_duration_seconds_count", interface="ParcelInterface", method="find") == timed + 1


def test_a_connection_that_the_other_side_closed_meanwhile_is_replaced(
    scripted: Start, parcels: ParcelInterface
) -> None:
    server = scripted(then_closing(body(200, b"null")))
    for _ in range(3):
        parcels.send(parcel=parcel())
        until(lambda: not server.open_connections)

    assert len(server.requests) == 3
