"""By configuration alone a process is the service of one context, and nothing of another is in it."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from config.api_urls import contexts as api_of_contexts
from ecommerce.topology import current
from tests.topologies.inventory import BACK_OFFICE, CONTEXTS, inventory, services

PLATFORM_TASKS = {
    "config.continue_replays", "ecommerce.inbox.maintain", "ecommerce.outbox.maintain", "ecommerce.saga.resume",
}  # fmt: skip
PLATFORM_TABLES = settings.SHARED_APP_LABELS
ACCOUNTS = {"account", "auth", "contenttypes", "mfa", "sessions", "socialaccount"}
OPERATORS = {"health", "ready", "live", "metrics", ".well-known", "internal"}

each_context = pytest.mark.parametrize("context", CONTEXTS)


def of_other_contexts(found: list[str], context: str) -> list[str]:
    """Return those of dotted or slashed names that belong to another context."""
    others = set(CONTEXTS) - {context}
    return [name for name in found if others & set(name.replace("/", ".").split("."))]


@each_context
def test_the_app_of_its_context_is_installed_and_no_other(context: str) -> None:
    apps = inventory(context)["apps"]

    assert [name for name in apps if name.startswith("contexts.")] == [f"contexts.{context}"]
    assert "django.contrib.admin" not in apps
    assert ("django.contrib.auth" in apps) == (context == "identity")


@each_context
def test_its_own_database_is_reached_by_its_own_role_and_no_administrator(context: str) -> None:
    assert inventory(context)["databases"] == {context: [f"{context}_db", f"{context}_service", False]}


@each_context
def test_its_own_migrations_apply_and_no_others(context: str) -> None:
    accounts = ACCOUNTS if context == "identity" else set()

    assert set(inventory(context)["migrations"]) == {context} | PLATFORM_TABLES | accounts


@each_context
def test_it_has_the_addresses_of_its_context_and_those_for_operators(context: str) -> None:
    own = [each for each in api_of_contexts if each.urlconf_name.__name__ == f"contexts.{context}.urls"]
    api = {f"api/v1/{pattern.pattern}" for resolver in own for pattern in resolver.url_patterns}
    found = set(inventory(context)["addresses"])

    assert api
    assert {each for each in found if each.startswith("api/v1/")} == api
    pages = {"_allauth"} if context == "identity" else set()
    assert {each.split("/")[0] for each in found if not each.startswith(("api/", "^api/"))} == OPERATORS | pages


@each_context
def test_it_handles_the_events_for_its_context_from_its_own_queue(context: str) -> None:
    found = inventory(context)

    assert of_other_contexts([name.partition(".")[0] for name in found["handlers"]], context) == []
    assert found["queues"] == [f"{context}_events"]
    assert set(found["providers"]) <= {f"contexts.{context}.interface"}
    assert found["sagas"] == [] or context == "order"


@each_context
def test_its_worker_takes_the_tasks_of_its_context_from_a_queue_of_its_own(context: str) -> None:
    found = inventory(context)

    assert {name for name in found["tasks"] if not name.startswith(f"{context}.")} == PLATFORM_TASKS
    assert found["consumed"] == [f"{context}_tasks"]
    assert set(found["routes"].values()) == {f"{context}_tasks"}


@each_context
def test_its_schedule_is_that_of_its_context(context: str) -> None:
    found = inventory(context)

    own = {task for task in found["schedule"] if task.startswith(f"{context}.")}
    assert set(found["schedule"]) - own == PLATFORM_TASKS - {"config.continue_replays"}
    assert own <= set(found["tasks"])


@each_context
def test_it_has_no_secret_that_it_can_do_without(context: str) -> None:
    found = inventory(context)

    assert found["signs_tokens"] == (context == "identity")
    assert found["pays"] == (context == "order")


def test_every_task_of_the_one_process_is_scheduled_by_exactly_one_service_or_the_back_office() -> None:
    whole = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    split = [task for name in (*CONTEXTS, BACK_OFFICE) for task in inventory(name)["schedule"]]

    assert set(split) == whole
    assert {task for task in split if split.count(task) > 1} == PLATFORM_TASKS - {"config.continue_replays"}


def test_every_handler_of_the_one_process_runs_in_exactly_one_service() -> None:
    from ecommerce.inbox.registry import handlers

    assert sorted(name for context in CONTEXTS for name in inventory(context)["handlers"]) == sorted(
        handler.name for handler in handlers()
    )


def test_the_back_office_sees_every_database_and_serves_no_context() -> None:
    found = inventory(BACK_OFFICE)

    assert set(found["databases"]) == set(CONTEXTS)
    assert {name for name in found["apps"] if name.startswith("contexts.")} == {f"contexts.{each}" for each in CONTEXTS}
    assert not [each for each in found["addresses"] if each.startswith(("api/v1/", "_allauth/", "internal/"))]
    assert {"", "admin/login/", "api/docs/", "api/schema/", "status.json"} <= set(found["addresses"])
    assert set(found["migrations"]) == {*CONTEXTS, *PLATFORM_TABLES, *ACCOUNTS, "admin"}


def test_the_back_office_hands_the_tasks_of_contexts_to_their_workers_and_keeps_replays() -> None:
    found = inventory(BACK_OFFICE)

    assert found["consumed"] == ["back_office_tasks"]
    assert found["schedule"] == ["config.continue_replays"]
    assert found["routes"]["identity.send_mail"] == "identity_tasks"
    assert found["routes"]["config.continue_replays"] == "back_office_tasks"


def test_every_process_has_a_name_in_the_logs() -> None:
    assert [inventory(name)["service"] for name in (*CONTEXTS, BACK_OFFICE)] == [*CONTEXTS, BACK_OFFICE]


@each_context
def test_it_is_told_where_every_other_service_is(context: str) -> None:
    told = services().environment_of(context)
    others = [each for each in current().contexts if each.name != context]

    assert {name: url for name, url in told.items() if name.endswith("_URL") and "127.0.0.1" in url} == {
        f"{each.name.upper()}_URL": f"http://127.0.0.1:{each.port}" for each in others
    }


def test_ports_move_together() -> None:
    whole = services()
    moved: Any = type(whole)(whole.topology, whole.common, whole.var_dir, first_port=4000)

    assert whole.ports == {BACK_OFFICE: 3000} | {each.name: each.port for each in current().contexts}
    assert moved.ports == {name: port + 1000 for name, port in whole.ports.items()}
