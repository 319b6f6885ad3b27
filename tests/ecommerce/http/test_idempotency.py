import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from ecommerce.http.authentication import Principal
from ecommerce.http.idempotency import (
    Abandoned,
    IdempotencyInFlight,
    IdempotencyKeyMissing,
    IdempotencyMismatch,
    Replay,
    claim,
    complete,
    find,
    fingerprint_of,
    purge,
    require_key,
    scope_of,
)
from ecommerce.http.parsers import JSONParser

ORDER = UUID("01900000-0000-7000-8000-00000000000a")
MINE = ("user:1", "key-1", "f" * 64)
database = pytest.mark.django_db(databases=["order"])


def request(body: str = "{}", path: str = "/api/v1/orders", method: str = "POST", **headers: str) -> Request:
    parsers: list[BaseParser] = [JSONParser()]
    made = APIRequestFactory().generic(method, path, body, content_type="application/json", headers=headers)
    return Request(made, parsers=parsers)


def wait_until_somebody_waits_for_a_lock() -> None:
    deadline = time.monotonic() + 10
    with connections["order"].cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


def age(**changes: str) -> None:
    """Move the row of ``MINE`` back in time."""
    assignments = ", ".join(f"{column} = clock_timestamp() - interval '{ago}'" for column, ago in changes.items())
    with connections["order"].cursor() as cursor:
        cursor.execute(f"UPDATE idempotency_keys SET {assignments}")


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_missing_or_odd_key_is_refused(key: str) -> None:
    with pytest.raises(IdempotencyKeyMissing):
        require_key(request(**{"Idempotency-Key": key}))


def test_a_key_may_be_long() -> None:
    assert require_key(request(**{"Idempotency-Key": "x" * 255})) == "x" * 255


def test_spacing_and_order_of_members_do_not_change_a_request() -> None:
    assert fingerprint_of(request('{"a": 1, "b": {"c": 2, "d": 3}}')) == fingerprint_of(
        request('{"b":{"d":3,"c":2},"a":1}')
    )


def test_method_path_and_content_do() -> None:
    made = {
        fingerprint_of(each)
        for each in (
            request('{"a": 1}'),
            request('{"a": 2}'),
            request('{"a": 1}', path="/api/v1/refunds"),
            request('{"a": 1}', method="PUT"),
        )
    }

    assert len(made) == 4


def test_keys_of_customers_and_guests_are_apart() -> None:
    scopes = {scope_of(Principal(id=ORDER)), scope_of(Principal(), "token"), scope_of(Principal(), "other")}

    assert len(scopes) == 3
    assert not any("token" in scope for scope in scopes)


@database
def test_an_unknown_key_is_free() -> None:
    assert find("order", *MINE) is None


@database
def test_a_claimed_request_is_in_flight_until_it_is_answered() -> None:
    with transaction.atomic(using="order"):
        assert claim("order", *MINE, ORDER) is None

    with pytest.raises(IdempotencyInFlight):
        find("order", *MINE)
    with pytest.raises(IdempotencyInFlight), transaction.atomic(using="order"):
        claim("order", *MINE)

    complete("order", *MINE[:2], 201, {"id": str(ORDER), "total": "10.00"})

    answer = Replay(201, {"id": str(ORDER), "total": "10.00"})
    assert find("order", *MINE) == answer
    with transaction.atomic(using="order"):
        assert claim("order", *MINE) == answer
    assert answer.response().headers["Idempotency-Replayed"] == "true"


@database
def test_the_first_answer_stays() -> None:
    with transaction.atomic(using="order"):
        claim("order", *MINE)
    complete("order", *MINE[:2], 201, {"a": 1})
    complete("order", *MINE[:2], 500, {"a": 2})

    assert find("order", *MINE) == Replay(201, {"a": 1})


@database
def test_another_request_with_the_same_key_is_refused() -> None:
    with transaction.atomic(using="order"):
        claim("order", *MINE)

    for function in (find, claim):
        with pytest.raises(IdempotencyMismatch), transaction.atomic(using="order"):
            function("order", "user:1", "key-1", "e" * 64)


@database
def test_the_same_key_of_somebody_else_is_another_key() -> None:
    with transaction.atomic(using="order"):
        claim("order", *MINE)
        assert claim("order", "user:2", *MINE[1:]) is None


@database
def test_a_request_that_was_cut_off_is_answered_from_what_it_made() -> None:
    with transaction.atomic(using="order"):
        claim("order", *MINE, ORDER)
    age(locked_until="1 second")

    assert find("order", *MINE) == Abandoned(ORDER)


@database
def test_a_rolled_back_claim_leaves_the_key_free() -> None:
    with transaction.atomic(using="order"):
        claim("order", *MINE)
        transaction.set_rollback(True, using="order")

    assert find("order", *MINE) is None


@pytest.mark.django_db(databases=["order"], transaction=True)
def test_a_key_is_claimed_in_a_transaction_only() -> None:
    with pytest.raises(RuntimeError):
        claim("order", *MINE)


@database
def test_old_keys_are_purged_a_few_at_a_time() -> None:
    with transaction.atomic(using="order"):
        for number in range(3):
            claim("order", "user:1", f"key-{number}", "f" * 64)
    age(expires_at="1 second")
    with transaction.atomic(using="order"):
        claim("order", "user:1", "young", "f" * 64)

    assert [purge("order", limit=2), purge("order", limit=2), purge("order")] == [2, 1, 0]
    with pytest.raises(IdempotencyInFlight):
        find("order", "user:1", "young", "f" * 64)


@pytest.mark.django_db(databases=["order"], transaction=True)
def test_of_parallel_requests_one_claims_the_key() -> None:
    def attempt(_: int) -> str:
        try:
            with transaction.atomic(using="order"):
                return "claimed" if claim("order", *MINE, ORDER) is None else "replayed"
        except IdempotencyInFlight:
            return "in flight"
        finally:
            connections["order"].close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(8)))

    assert outcomes == ["claimed"] + ["in flight"] * 7


@pytest.mark.django_db(databases=["order"], transaction=True)
def test_a_second_request_waits_for_the_transaction_of_the_first() -> None:
    claimed, may_roll_back = Event(), Event()

    def first() -> None:
        try:
            with transaction.atomic(using="order"):
                claim("order", *MINE)
                claimed.set()
                may_roll_back.wait(10)
                raise ZeroDivisionError
        except ZeroDivisionError:
            return
        finally:
            connections["order"].close()

    def second() -> Any:
        try:
            with transaction.atomic(using="order"):
                return claim("order", *MINE)
        finally:
            connections["order"].close()

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        assert claimed.wait(10)
        waiting = pool.submit(second)
        wait_until_somebody_waits_for_a_lock()
        may_roll_back.set()
        assert waiting.result(10) is None
