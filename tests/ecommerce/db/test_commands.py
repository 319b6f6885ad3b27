from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from ecommerce.db.bootstrap import connect_administrator
from ecommerce.db.configuration import context_databases
from ecommerce.db.management.commands.migrate_all import alone

ALIASES = ["identity", "catalog", "cart", "order", "promotion", "notification"]
DOWN = {"HOST": "127.0.0.1", "PORT": "1"}


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def server_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where the configuration of cart points to."""
    for database in context_databases().values():
        for key, value in DOWN.items():
            monkeypatch.setitem(database, key, value)
        monkeypatch.setitem(database, "ADMINISTRATOR", {"host": DOWN["HOST"], "port": DOWN["PORT"], "user": "postgres"})


embedded_only = pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="about the embedded server")


@embedded_only
@pytest.mark.usefixtures("postgresql")
def test_db_start_is_repeatable_and_status_agrees() -> None:
    assert "is running already" in run("db", "start")
    assert "accepts connections" in run("db", "status")


@embedded_only
def test_db_status_fails_when_it_is_down(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr("ecommerce.db.management.commands.db.Command._in_use", lambda *_: True)

    with pytest.raises(CommandError, match="manage.py db start"):
        run("db", "status")
    assert "not running" in run("db", "stop")


def test_db_says_when_other_databases_are_in_use(server_down: None) -> None:
    for action in ("start", "stop", "status"):
        assert "not in use" in run("db", action)


@embedded_only
@pytest.mark.django_db(databases=["cart"])
def test_db_psql_enters_as_the_administrator(capfd: pytest.CaptureFixture[str]) -> None:
    run("db", "psql", "-Atc", "SELECT current_user")

    assert capfd.readouterr().out.strip() == "postgres"


@pytest.mark.django_db(databases=["cart"])
def test_db_psql_reports_a_failure() -> None:
    with pytest.raises(CommandError, match="psql ended with"):
        run("db", "psql", "-c", "nonsense")


def test_bootstrap_explains_a_server_that_is_down(server_down: None) -> None:
    with pytest.raises(CommandError, match="manage.py db start"):
        run("bootstrap")


@pytest.mark.django_db(databases=ALIASES)
def test_bootstrap_says_what_it_prepared(settings: Any) -> None:
    name = connections["cart"].settings_dict["NAME"]
    settings.BROKER_DATABASE = {**settings.BROKER_DATABASE, "NAME": name}

    assert f"{name} at" in run("bootstrap")


def test_dbwait_gives_up_with_a_reason(server_down: None) -> None:
    with pytest.raises(CommandError, match="NO_RESPONSE after 0.3 s"):
        run("dbwait", timeout=0.3)


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_dbwait_returns_when_all_is_there() -> None:
    run("dbwait", timeout=5, migrated=True)


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_dbwait_sees_a_missing_migration() -> None:
    recorder = MigrationRecorder(connections["cart"])
    applied = [row for row in recorder.applied_migrations() if row[0] == "outbox"]
    try:
        for app, name in applied:
            recorder.record_unapplied(app, name)

        with pytest.raises(CommandError, match=f"cart: {len(applied)} migrations are missing after"):
            run("dbwait", timeout=0.3, migrated=True)
    finally:
        for app, name in applied:
            recorder.record_applied(app, name)


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_migrate_all_migrates_the_accounts_last() -> None:
    lines = run("migrate_all").splitlines()

    assert len(lines) == len(ALIASES)
    assert lines[-1] == f"{settings.DEFAULT_APP_CONTEXT}: up to date"


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_migrate_all_fails_loudly_without_the_right_to_connect() -> None:
    name = connections["cart"].settings_dict["NAME"]
    with connect_administrator(context_databases()["cart"], name) as connection:
        connection.execute(f"REVOKE CONNECT ON DATABASE {name} FROM cart_service".encode())
        try:
            with pytest.raises(CommandError, match="(?s)cart: .*permission denied.*manage.py bootstrap"):
                run("migrate_all")
        finally:
            connection.execute(f"GRANT CONNECT ON DATABASE {name} TO cart_service".encode())


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_who_waits_to_migrate_does_not_keep_an_index_from_being_built_concurrently() -> None:
    def wait() -> float:
        with alone("cart"):
            return time.monotonic()

    with connections["cart"].cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute("CREATE TABLE grown (id int)")
        try:
            with alone("cart"):
                waiter = pool.submit(wait)
                time.sleep(0.5)
                cursor.execute("SET statement_timeout = '3s'")
                cursor.execute("CREATE INDEX CONCURRENTLY grown_id ON grown (id)")
                built = time.monotonic()
            assert waiter.result(timeout=10) > built
        finally:
            cursor.execute("RESET statement_timeout")
            cursor.execute("DROP TABLE grown")
