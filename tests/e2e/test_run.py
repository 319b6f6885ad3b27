"""``make run``: everything comes up, stops together, and comes back with its data, even after a power cut."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.stack import Stack, new_folder, running

pytestmark = pytest.mark.timeout(400)
ADDRESS = {
    "recipient": "Ana Souza", "cep": "01310100", "street": "Avenida Paulista", "number": "1000",
    "district": "Bela Vista", "city": "São Paulo", "state": "SP",
}  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def buy(stack: Stack) -> dict[str, Any]:
    """Buy the first product as a guest, the way a frontend does, and return the order."""
    with httpx.Client(base_url=f"{stack.url}/api/v1", timeout=30) as api:
        card = next(card for card in api.get("/products").json()["results"] if card["available"])
        variant = api.get(f"/products/{card['slug']}").json()["variants"][0]["id"]
        cart = api.post("/carts", json={}).json()
        token = {"X-Cart-Token": cart["token"]}
        api.post(f"/carts/{cart['id']}/lines", json={"variant_id": variant, "quantity": 1}, headers=token)
        wish = {"cart_id": cart["id"], "state": "SP", "shipping_method": "economico"}
        total = api.post("/checkout/preview", json=wish, headers=token).json()["total"]
        checkout = {
            "cart_id": cart["id"], "email": "ana@example.com", "address": ADDRESS, "shipping_method": "economico",
            "payments": [{"method": "card", "card_token": "tok_visa"}], "expected_total": total,
        }  # fmt: skip
        answer = api.post("/checkout", json=checkout, headers={**token, "Idempotency-Key": str(uuid.uuid4())})
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order


def status_of(stack: Stack, order: dict[str, Any]) -> str:
    url = f"{stack.url}/api/v1/orders/{order['id']}"
    status: str = httpx.get(url, headers={"X-Order-Token": order["access_token"]}, timeout=30).json()["status"]
    return status


def mails(folder: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in (folder / "mail").iterdir()]


def await_mail(folder: Path, *, within: float = 60) -> None:
    """Wait until a mail about an order was written."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if any("ana@example.com" in mail for mail in mails(folder)):
            return
        time.sleep(0.2)
    raise AssertionError(f"no mail within {within} s: {mails(folder)}")


def test_a_shop_comes_up_sells_survives_deaths_and_a_power_cut_and_stops(folder: Path) -> None:
    with running(demo=True, folder=folder) as stack:
        order = buy(stack)
        assert order["status"] == "confirmed"
        await_mail(folder)
        assert stat.S_IMODE((folder / "mail").stat().st_mode) == 0o700
        a_web_process_that_dies_is_replaced(stack)
        second = buy(stack)
        cut_power(stack)

    with running(demo=True, folder=folder) as stack:
        assert {status_of(stack, each) for each in (order, second)} == {"confirmed"}
        interrupt(stack)


def a_web_process_that_dies_is_replaced(stack: Stack) -> None:
    killed = stack.web_processes()[0]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(serving := set(stack.web_processes()) - {killed}) < 2:
        assert time.monotonic() < deadline, f"only {serving} within a minute"
        time.sleep(0.2)
    assert psutil.pid_exists(stack.pid)


def cut_power(stack: Stack) -> None:
    """Kill every process of the installation, the database included, without a chance to say goodbye."""
    postmaster = int((stack.var_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    doomed = [psutil.Process(stack.pid), psutil.Process(postmaster)]
    for process in [child for parent in doomed for child in parent.children(recursive=True)] + doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def interrupt(stack: Stack) -> None:
    """Press Ctrl-C, and see that it ends everything that was started."""
    family = psutil.Process(stack.pid).children(recursive=True)
    os.kill(stack.pid, signal.SIGINT)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive, "what was started has not ended"
