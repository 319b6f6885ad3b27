"""What a shop says of its health while parts of it are stopped and come back: real processes, a real database."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.stack import Stack, command_of, free_port, running
from tests.e2e.test_run import buy

pytestmark = pytest.mark.timeout(400)
CONTEXTS = ("cart", "catalog", "identity", "notification", "order", "promotion")


class Watched:
    def __init__(self, stack: Stack, port: int) -> None:
        self.stack = stack
        self.web, self.worker = stack.url, f"http://127.0.0.1:{port}"

    def ask(self, url: str) -> tuple[int, list[str]]:
        """Return the status and the parts that are not well."""
        answer = httpx.get(url, timeout=60)
        checks: dict[str, Any] = answer.json().get("checks", {})
        return answer.status_code, sorted(name for name, check in checks.items() if not check["healthy"])

    def await_answer(self, url: str, wanted: Callable[[int, list[str]], bool], *, within: float = 90) -> None:
        deadline = time.monotonic() + within
        while not wanted(*(answer := self.ask(url))):
            assert time.monotonic() < deadline, f"{url} still says {answer}"
            time.sleep(0.3)

    def await_well(self) -> None:
        for address in (self.web, self.worker):
            for path in ("health", "ready"):
                self.await_answer(f"{address}/{path}", lambda status, unwell: (status, unwell) == (200, []))


@pytest.fixture(scope="module")
def shop() -> Iterator[Watched]:
    port = free_port()
    with running(demo=True, WORKER_PORT=str(port)) as stack:
        watched = Watched(stack, port)
        watched.await_well()
        yield watched


def worker_of(stack: Stack) -> psutil.Process:
    family = psutil.Process(stack.pid).children(recursive=True)
    return next(child for child in family if "worker" in command_of(child) and "celery" in " ".join(command_of(child)))


def test_without_its_database_a_shop_says_which_part_is_missing_and_recovers(shop: Watched) -> None:
    databases = {f"database.{context}" for context in CONTEXTS}
    shop.stack.manage("db", "stop")
    try:
        shop.await_answer(f"{shop.web}/ready", lambda status, unwell: status == 503 and databases <= set(unwell))
        shop.await_answer(f"{shop.worker}/ready", lambda status, unwell: status == 503 and "threads" in unwell)
        body = httpx.get(f"{shop.worker}/health", timeout=60).json()
        assert "relay-order" in body["checks"]["threads"]["detail"]
        assert not any(secret in str(body) for secret in ("password", "host=", str(shop.stack.var_dir)))
        assert httpx.get(f"{shop.web}/live", timeout=30).status_code == 200
    finally:
        shop.stack.manage("db", "start")
    shop.await_well()


def test_a_worker_that_stands_still_is_missed_but_the_shop_sells(shop: Watched) -> None:
    worker = worker_of(shop.stack)
    worker.send_signal(signal.SIGSTOP)
    try:
        shop.await_answer(f"{shop.web}/health", lambda status, unwell: (status, unwell) == (503, ["relay"]))
        assert shop.ask(f"{shop.web}/ready")[0] == 200
        assert buy(shop.stack)["status"] == "confirmed"
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    shop.await_well()


def test_a_worker_answers_nothing_but_whoever_watches(shop: Watched) -> None:
    assert httpx.get(f"{shop.worker}/live", timeout=30).json() == {"status": "ok"}
    for path in ("", "api/v1/products", "admin/", "status.json"):
        assert httpx.get(f"{shop.worker}/{path}", timeout=30).status_code == 404


def test_workers_and_web_processes_are_scraped(shop: Watched) -> None:
    def told() -> list[str]:
        lines = httpx.get(f"{shop.worker}/metrics", timeout=30).text.splitlines()
        return [line for line in lines if not line.startswith("#")]

    buy(shop.stack)
    wanted = (
        'sagas_open{saga="CREATE_ORDER",service="order",status="PARKED"} 0.0',
        'outbox_events{service="order",status="parked"} 0.0',
        'db_pool_connections{alias="order",state="idle"}',
        'payments_total{gateway="sandbox",method="card",outcome="captured"}',
        'sagas_ended_total{saga="CREATE_ORDER",service="order",status="COMPLETED"}',
        'saga_step_seconds_count{direction="DO",outcome="DONE",saga="CREATE_ORDER",service="order",step="process_payment"}',
        'outgoing_request_seconds_count{method="POST",outcome="201",peer="sandbox"}',
        'http_request_duration_seconds_count{method="POST",route="api/v1/checkout",status="201"}',
    )
    deadline = time.monotonic() + 60
    while missing := [text for text in wanted if not any(line.startswith(text) for line in told())]:
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)
