"""Books, start, stop and the control page."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.sandbox_psp.testing import ROOT, Receiver, Sandbox, charge, eventually, refund, running

DUE = "2027-01-15"
PAYER = {"due_date": DUE, "payer_name": "Ana Souza", "payer_tax_id": "39053344705"}


def test_the_books_balance_and_list_every_charge_once() -> None:
    with running() as sandbox, sandbox.client() as psp:
        ids = [charge(psp, amount="10.00").json()["id"] for _ in range(5)]
        ids.append(charge(psp, amount="7.00", token="tok_declined").json()["charge"]["id"])
        ids.append(charge(psp, amount="3.00", method="pix").json()["id"])
        refund(psp, ids[0], "4.00")

        listed, since = [], ""
        while since is not None:
            page = psp.get("/v1/books", params={"limit": 3, "since": since}).json()
            listed += [item["id"] for item in page["charges"]]
            since = page["next"]

    assert listed == ids
    assert (page["count"], page["captured"], page["refunded"], page["net"]) == (7, "50.00", "4.00", "46.00")
    assert page["methods"]["card"] == {"count": 6, "captured": "50.00", "refunded": "4.00", "net": "46.00"}
    assert page["statuses"] == {"captured": 5, "declined": 1, "pending": 1}


def test_books_and_waiting_webhooks_survive_a_crash(tmp_path: Path, receiver: Receiver) -> None:
    with running(tmp_path) as sandbox, sandbox.client() as psp:
        key = uuid4().hex
        first = charge(psp, key=key, reference="r")
        slip = charge(psp, method="pix", webhook_url=receiver.url).json()
        psp.post(f"/control/charges/{slip['id']}/webhooks", json={"type": "charge.expired", "delay_ms": 700})

        sandbox.kill()
        sandbox.start()

        assert charge(psp, key=key, reference="r").content == first.content
        assert psp.get(f"/v1/charges/{slip['id']}").json() == slip
        assert receiver.wait_for(1)[0].event["data"]["charge"] == slip


def test_it_stops_within_a_second_though_an_answer_is_awaited(tmp_path: Path) -> None:
    with running(tmp_path, hang_seconds=30) as sandbox:
        key = uuid4().hex
        with sandbox.client() as psp, ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(charge, psp, key=key, token="tok_timeout_after_charge")
            eventually(lambda: bool(psp.get("/v1/charges", params={"idempotency_key": key}).json()["charges"]))

            assert sandbox.stop() < 1.0
            assert isinstance(hanging.exception(timeout=5), httpx.TransportError)

        log = (tmp_path / "server.log").read_text()
    assert f"listening on {sandbox.base_url}" in log


@pytest.mark.parametrize(("taken", "message"), [("port", "is taken"), ("books", "are in use")])
def test_a_second_server_says_what_is_taken(sandbox: Sandbox, tmp_path: Path, taken: str, message: str) -> None:
    port = str(sandbox.port) if taken == "port" else "0"
    data = str(tmp_path) if taken == "port" else str(sandbox.data)
    command = [sys.executable, "-m", "tests.sandbox_psp", "--port", port, "--data", data]

    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)

    assert (second.returncode, message in second.stderr) == (1, True)


def test_flags_may_come_from_the_environment() -> None:
    from tests.sandbox_psp.configuration import parse

    environment = {"SANDBOX_PSP_PORT": "9199", "SANDBOX_PSP_WEBHOOK_ALL": "true", "SANDBOX_PSP_API_KEY": "sk_env"}

    assert parse([], environment).webhook_all
    assert (parse([], environment).port, parse([], environment).api_key) == (9199, "sk_env")
    assert parse(["--port", "9198"], environment).port == 9198


def test_the_control_page_shows_charges_and_its_buttons_work(psp: httpx.Client) -> None:
    body = charge(psp, method="boleto", boleto=PAYER, reference="<b>order</b>").json()
    page = psp.get("/").text
    assert body["id"] in page
    assert body["client_data"]["linha_digitavel"] in page
    assert "&lt;b&gt;order" in page
    assert "<b>order" not in page

    pressed = psp.post(f"/control/charges/{body['id']}/pay", data={"force": "false"})
    psp.post("/control/behaviour", data={"kind": "decline", "count": "1", "code": "stolen_card", "delay_ms": "0"})

    assert (pressed.status_code, pressed.headers["Location"]) == (303, "/")
    assert psp.get(f"/v1/charges/{body['id']}").json()["status"] == "captured"
    assert charge(psp).json()["error"]["decline_code"] == "stolen_card"


def test_json_is_understood_though_it_claims_to_be_a_form(psp: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl -d says of everything

    response = psp.post("/control/behaviour", content=b'{"kind": "decline", "count": 2}', headers=headers)

    assert (response.status_code, response.json()["waiting"][0]["count"]) == (200, 2)


def test_money_is_never_lost_between_captures_refunds_and_totals(psp: httpx.Client) -> None:
    before = psp.get("/v1/books", params={"limit": 1}).json()
    charge_id = charge(psp, amount="0.03").json()["id"]
    for _ in range(3):
        refund(psp, charge_id, "0.01")
    after = psp.get("/v1/books", params={"limit": 1}).json()

    assert Decimal(after["captured"]) - Decimal(before["captured"]) == Decimal("0.03")
    assert after["net"] == before["net"]
