from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connections
from django.test import Client
from pytest_django import Settings

from ecommerce.observability import health

ALIASES = ["identity", "catalog", "cart", "order", "promotion", "notification"]
databases = pytest.mark.django_db(databases=ALIASES)


@pytest.fixture(autouse=True)
def only_these_routes(settings: Settings) -> None:
    settings.ROOT_URLCONF = "ecommerce.observability.urls"


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Only what a test registers, and no memory of migrations."""
    registered, migrated = dict(health._registered), set(health._migrated)
    health._registered.clear()
    health._migrated.clear()
    yield
    health._registered.clear()
    health._registered.update(registered)
    health._migrated.update(migrated)


def fail() -> None:
    raise ConnectionRefusedError("amqp://user:password@broker")


@databases
def test_every_part_is_asked_for_real(client: Client) -> None:
    health.register("broker", lambda: None, essential=False)

    response = client.get("/health")

    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "healthy"
    assert set(body["checks"]) == {*(f"database.{alias}" for alias in ALIASES), "cache", "broker"}
    assert all(check["healthy"] and check["milliseconds"] >= 0 for check in body["checks"].values())
    assert body["timestamp"].endswith("Z")
    assert "no-cache" in response.headers["Cache-Control"]


@databases
def test_a_part_that_fails_is_named_and_nothing_else_is_told(client: Client) -> None:
    health.register("broker", fail, essential=False)

    response = client.get("/health")

    assert response.status_code == 503
    assert response.json()["status"] == "unhealthy"
    assert response.json()["checks"]["broker"] | {"milliseconds": 0} == {
        "healthy": False,
        "detail": "ConnectionRefusedError",
        "milliseconds": 0,
        "essential": False,
    }
    assert b"password" not in response.content


@databases
def test_a_part_that_says_what_is_wrong_is_quoted_and_leaves_no_traceback(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def alone() -> None:
        raise health.Unhealthy("no relay of cart")

    health.register("relays", alone, essential=False)

    assert client.get("/health").json()["checks"]["relays"]["detail"] == "no relay of cart"
    [said] = [record for record in caplog.records if "health_check_failed" in record.getMessage()]
    assert "no relay of cart" in said.getMessage()
    assert "exc_info" not in said.getMessage()
    assert not said.exc_info


@databases
def test_a_dead_database_makes_it_unhealthy(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["cart"], "cursor", refuse)
    monkeypatch.setattr(connections["cart"], "close", lambda: None)

    body = client.get("/health").json()

    assert [name for name, check in body["checks"].items() if not check["healthy"]] == ["database.cart"]


@databases
def test_a_cache_that_forgets_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(cache._connections["default"]), "set", lambda *_, **__: None)

    assert health.run()["cache"].detail == "a value written was not read back"


@databases
def test_ready_means_migrated_as_well(client: Client) -> None:
    response = client.get("/ready")

    assert response.status_code == 200
    assert response.json()["checks"]["migrations"]["healthy"]


@databases
def test_a_shop_without_broker_still_sells_and_stays_in_service(client: Client) -> None:
    health.register("broker", fail, essential=False)
    response = client.get("/ready")

    assert (response.status_code, response.json()["status"]) == (200, "unhealthy")

    health.register("vault", fail, essential=True)
    assert client.get("/ready").status_code == 503


@databases
def test_not_ready_while_migrations_are_missing(client: Client) -> None:
    with connections["catalog"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'http'")

    response = client.get("/ready")

    assert response.status_code == 503
    assert response.json()["checks"]["migrations"]["detail"] == "1 migrations to apply in catalog"
    assert client.get("/health").status_code == 200


def test_alive_means_that_the_process_answers(client: Client) -> None:
    health.register("broker", fail, essential=False)

    assert client.get("/live").json() == {"status": "ok"}


def test_metrics_are_in_the_format_of_prometheus(client: Client) -> None:
    response = client.get("/metrics")

    assert response.headers["Content-Type"].startswith("text/plain")
    assert b"# TYPE http_request_duration_seconds histogram" in response.content


def test_metrics_may_need_a_token(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "s3cret"

    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/health").status_code == 405
