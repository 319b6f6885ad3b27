import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from config import status as running
from config.status import Remembered, Status, take
from ecommerce.ids import new_id
from ecommerce.observability import health

ALIASES = ["identity", "catalog", "cart", "order", "promotion", "notification"]
databases = pytest.mark.django_db(databases=ALIASES)
CUSTOMER = UUID("01900000-0000-7000-8000-00000000beef")


@pytest.fixture(autouse=True)
def fresh(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.STATUS_PAGE = True
    monkeypatch.setattr(running, "latest", Remembered(take))
    registered = dict(health._registered)
    health._registered.clear()  # neither broker nor relay runs here
    yield
    health._registered.update(registered)


def publish(alias: str, type_: str, *, archived: bool, version: int = 1, status: str = "PENDING", ago: int = 0) -> None:
    columns = (
        "id, event_id, aggregate_type, aggregate_id, aggregate_version, event_type, payload, headers, attempts, origin,"
        " created_at"
    )
    values = "%s, %s, 'user', %s, %s, %s, '{\"email\": \"ana@example.com\"}', '{}', 0, 'app'"
    values += f", clock_timestamp() - interval '{ago} seconds'"
    parameters = [version, new_id(), str(CUSTOMER), version, type_]
    if archived:
        statement = f"INSERT INTO outbox_archive ({columns}, published_at) VALUES ({values}, clock_timestamp())"
    else:
        statement = (
            f"INSERT INTO outbox_event ({columns}, status, partition_no, last_error) VALUES ({values}, %s, 0, '')"
        )
        parameters.append(status)
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)


def of(name: str, status: Status) -> Any:
    return next(context for context in status.contexts if context.name == name)


@databases
def test_a_quiet_system_is_healthy_and_has_no_events(client: Client) -> None:
    body = client.get("/status.json").json()

    assert body["healthy"]
    assert {context["name"] for context in body["contexts"]} == set(ALIASES)
    assert body["events"] == []


@databases
def test_waiting_and_parked_events_are_counted_per_context() -> None:
    publish("cart", "cart.abandoned.v1", archived=False, version=1, ago=90)
    publish("cart", "cart.abandoned.v1", archived=False, version=2)
    publish("order", "order.placed.v1", archived=False, status="PARKED")

    status = take()

    assert (of("cart", status).waiting, of("cart", status).parked) == (2, 0)
    assert 90 <= of("cart", status).lag < 120
    assert (of("order", status).waiting, of("order", status).parked) == (0, 1)
    assert of("catalog", status).lag is None


@databases
def test_the_latest_events_come_first_whether_published_or_not() -> None:
    publish("identity", "identity.user_registered.v1", archived=True, ago=30)
    publish("cart", "cart.abandoned.v1", archived=False, ago=10)
    publish("order", "order.placed.v1", archived=True, ago=20)

    events = take().events

    assert [(event.context, event.published_at is None) for event in events] == [
        ("cart", True),
        ("order", False),
        ("identity", False),
    ]


@databases
def test_events_are_few_however_many_there_are() -> None:
    for version in range(30):
        publish("cart", "cart.abandoned.v1", archived=True, version=version)

    assert len(take().events) == running.EVENTS


@databases
def test_nobody_is_named(client: Client) -> None:
    publish("identity", "identity.user_registered.v1", archived=True)
    publish("identity", "identity.user_registered.v1", archived=False)

    content = client.get("/status.json").content.decode()

    assert "identity.user_registered.v1" in content
    assert str(CUSTOMER) not in content
    assert "ana@example.com" not in content


@databases
def test_the_number_of_queries_does_not_depend_on_the_number_of_events(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for version in range(5):
        publish("cart", "cart.abandoned.v1", archived=True, version=version)

    with django_assert_num_queries(3, connection=connections["cart"]):
        take()


@databases
def test_relays_count_as_working_while_they_are_seen() -> None:
    assert not take().relay
    for alias in ALIASES:
        with connections[alias].cursor() as cursor:
            cursor.execute("INSERT INTO outbox_relay (owner, seen_at) VALUES (%s, clock_timestamp())", [new_id()])
    assert take().relay
    with connections["cart"].cursor() as cursor:
        cursor.execute("UPDATE outbox_relay SET seen_at = clock_timestamp() - interval '1 minute'")
    assert not take().relay


@databases
def test_a_dead_database_is_shown_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {**health.run(), "database.cart": health.Check(False, "OperationalError", 1.0)}
    monkeypatch.setattr(health, "run", lambda: checks)

    status = take()

    assert not status.healthy
    assert not of("cart", status).healthy
    assert of("order", status).healthy


def test_it_is_not_for_everybody(client: Client, settings: Settings) -> None:
    settings.STATUS_PAGE = False

    assert client.get("/status.json").status_code == 404
    assert b"status.json" not in client.get("/").content


def test_the_front_page_asks_no_database(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert b"Uma loja inteira" in response.content
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_many_visitors_cost_as_much_as_one() -> None:
    made: list[str] = []

    def make() -> Any:
        made.append("status")
        return made[-1]

    remembered = Remembered(make)

    for _ in range(20):
        remembered.get()

    assert len(made) == 1


def test_while_one_asks_the_others_get_the_old_answer() -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def make() -> Any:
        asked.set()
        assert may_answer.wait(10)
        return "new"

    remembered = Remembered(make)
    remembered._status = "old"  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(remembered.get)
        assert asked.wait(10)
        assert remembered.get() == "old"
        may_answer.set()
        assert first.result(10) == "new"
    assert remembered.get() == "new"
