"""What goes wrong on purpose, and 3-D Secure."""

import time
from uuid import uuid4

import httpx
import pytest

from tests.sandbox_psp.testing import Receiver, Sandbox, charge, refund


@pytest.mark.parametrize(
    ("token", "booked"),
    [("tok_timeout_after_charge", True), ("tok_timeout_before", False), ("tok_error_500", False)],
)
def test_after_a_lost_answer_the_key_tells_whether_money_moved(sandbox: Sandbox, token: str, booked: bool) -> None:
    key = uuid4().hex
    with sandbox.client(timeout=0.5) as impatient:
        try:
            assert charge(impatient, key=key, token=token).status_code == 500
        except httpx.ReadTimeout:
            assert token != "tok_error_500"

    with sandbox.client() as psp:
        found = psp.get("/v1/charges", params={"idempotency_key": key}).json()["charges"]
    assert [item["status"] for item in found] == (["captured"] if booked else [])


def test_repeating_a_charge_whose_answer_was_lost_finds_the_same_charge(sandbox: Sandbox, psp: httpx.Client) -> None:
    key = uuid4().hex
    with sandbox.client(timeout=0.5) as impatient, pytest.raises(httpx.ReadTimeout):
        charge(impatient, key=key, reference="r", token="tok_timeout_after_charge")

    repeated = charge(psp, key=key, reference="r", token="tok_timeout_after_charge")

    assert (repeated.status_code, repeated.json()["status"]) == (201, "captured")
    assert psp.get("/v1/charges", params={"idempotency_key": key}).json()["charges"] == [repeated.json()]


def test_the_slow_token_takes_its_time(psp: httpx.Client) -> None:
    started = time.monotonic()

    assert charge(psp, token="tok_slow_200ms").status_code == 201
    assert time.monotonic() - started >= 0.2


def test_behaviour_bends_the_next_charges_and_no_more(psp: httpx.Client) -> None:
    psp.post("/control/behaviour", json={"kind": "decline", "code": "lost_card", "count": 2})

    codes = [charge(psp).json().get("error", {}).get("decline_code") for _ in range(3)]

    assert codes == ["lost_card", "lost_card", None]


def test_behaviour_may_be_for_one_method_or_for_refunds(psp: httpx.Client) -> None:
    psp.post("/control/behaviour", json={"kind": "error_before", "method": "pix"})
    psp.post("/control/behaviour", json={"kind": "error_after", "operation": "refund"})
    charged = charge(psp).json()

    assert charged["status"] == "captured"
    assert charge(psp, method="pix").status_code == 500
    assert refund(psp, charged["id"], "40.00").status_code == 500
    assert psp.get(f"/v1/charges/{charged['id']}").json()["refunded"] == "40.00"


def test_a_replayed_key_does_not_use_up_behaviour(psp: httpx.Client) -> None:
    key = uuid4().hex
    charge(psp, key=key, reference="r")
    psp.post("/control/behaviour", json={"kind": "decline"})

    assert charge(psp, key=key, reference="r").status_code == 201
    assert charge(psp).status_code == 402


@pytest.mark.parametrize(
    ("button", "status", "decline_code"), [("approve", "captured", ""), ("fail", "declined", "authentication_failed")]
)
def test_3ds_waits_for_the_card_holder_and_tells_the_shop(
    psp: httpx.Client, receiver: Receiver, button: str, status: str, decline_code: str
) -> None:
    body = charge(psp, token="tok_3ds", webhook_url=receiver.url, return_url="http://shop.example/back").json()
    page = psp.get(body["client_data"]["redirect_url"])
    assert (body["status"], body["captured"]) == ("requires_action", "0.00")
    assert (page.status_code, f"/3ds/{body['id']}/{button}" in page.text) == (200, True)

    leaving = psp.post(f"/3ds/{body['id']}/{button}")
    again = psp.post(f"/3ds/{body['id']}/{button}")

    event = receiver.wait_for(1)[0].event
    settled = psp.get(f"/v1/charges/{body['id']}").json()
    assert (leaving.status_code, leaving.headers["Location"]) == (303, "http://shop.example/back")
    assert again.status_code == 303
    assert (settled["status"], settled["decline_code"]) == (status, decline_code)
    assert (event["type"], event["data"]["charge"]) == (f"charge.{status}", settled)
