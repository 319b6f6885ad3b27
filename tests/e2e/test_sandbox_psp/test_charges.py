"""Charging: outcomes, refusals, card tokens and idempotency keys."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.sandbox_psp.testing import Sandbox, charge, eventually, running


def test_an_approved_card_is_captured_at_once(psp: httpx.Client) -> None:
    response = charge(psp, amount="129.90", metadata={"order": "42"})

    assert response.status_code == 201
    body = response.json()
    assert (body["status"], body["amount"], body["captured"], body["refunded"]) == (
        "captured",
        "129.90",
        "129.90",
        "0.00",
    )
    assert body["client_data"] == {"brand": "visa", "last4": "4242"}
    assert body["metadata"] == {"order": "42"}
    assert psp.get(f"/v1/charges/{body['id']}").json() == body


def test_without_capture_a_card_is_authorized_and_captured_in_part_later(psp: httpx.Client) -> None:
    body = charge(psp, capture=False).json()
    assert (body["status"], body["captured"]) == ("authorized", "0.00")

    captured = psp.post(f"/v1/charges/{body['id']}/capture", json={"amount": "60.00"})
    again = psp.post(f"/v1/charges/{body['id']}/capture", json={"amount": "60.00"})
    other = psp.post(f"/v1/charges/{body['id']}/capture", json={"amount": "70.00"})

    assert (captured.json()["status"], captured.json()["captured"]) == ("captured", "60.00")
    assert again.json() == captured.json()
    assert (other.status_code, other.json()["error"]["code"]) == (409, "invalid_state")


def test_capturing_more_than_authorized_is_refused(psp: httpx.Client) -> None:
    body = charge(psp, capture=False).json()

    response = psp.post(f"/v1/charges/{body['id']}/capture", json={"amount": "100.01"})

    assert (response.status_code, response.json()["error"]["code"]) == (422, "amount_too_large")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("tok_declined", "do_not_honor"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_expired", "expired_card"),
    ],
)
def test_a_declining_token_answers_402_with_the_charge(psp: httpx.Client, token: str, code: str) -> None:
    response = charge(psp, token=token)

    body = response.json()
    assert response.status_code == 402
    assert body["error"]["decline_code"] == body["charge"]["decline_code"] == code
    assert (body["charge"]["status"], body["charge"]["captured"]) == ("declined", "0.00")
    assert psp.get(f"/v1/charges/{body['charge']['id']}").json() == body["charge"]


@pytest.mark.parametrize(
    ("code", "status", "decline_code"),
    [
        ("VALE-50", "captured", ""),
        ("VALE-VAZIO", "declined", "insufficient_balance"),
        ("PRESENTE", "declined", "invalid_voucher"),
    ],
)
def test_a_voucher_pays_by_its_code(psp: httpx.Client, code: str, status: str, decline_code: str) -> None:
    body = charge(psp, method="voucher", voucher={"code": code}).json()

    charged = body.get("charge", body)
    assert (charged["status"], charged["decline_code"]) == (status, decline_code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "0.00"}, "invalid_amount"),
        ({"amount": "1.001"}, "invalid_request"),
        ({"amount": "-1.00"}, "invalid_request"),
        ({"amount": "1.50", "currency": "JPY"}, "invalid_amount"),
        ({"amount": 100}, "invalid_request"),
        ({"method": "cheque"}, "invalid_request"),
        ({"token": "tok_unheard_of"}, "unknown_token"),
        ({"method": "voucher"}, "missing_voucher"),
        ({"method": "boleto"}, "missing_boleto"),
        ({"method": "pix", "currency": "USD"}, "invalid_currency"),
        ({"method": "pix", "pix": {"txid": "too-short"}}, "invalid_request"),
    ],
)
def test_a_wrong_charge_is_refused_and_leaves_no_trace(psp: httpx.Client, changes: dict[str, Any], code: str) -> None:
    key = uuid4().hex

    response = charge(psp, key=key, **changes)

    assert (response.status_code, response.json()["error"]["code"]) == (422, code)
    assert psp.get("/v1/charges", params={"idempotency_key": key}).json() == {"charges": []}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer sk_test_wrong"}, {"Authorization": "Bearer pk_test_sandbox"}]
)
def test_the_api_asks_for_the_secret_key(sandbox: Sandbox, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=sandbox.base_url, headers=headers) as stranger:
        assert charge(stranger).status_code == 401
        assert stranger.get("/v1/books").status_code == 401


def test_unknown_paths_methods_and_bodies_get_their_status(psp: httpx.Client) -> None:
    assert psp.get("/v1/nothing").status_code == 404
    assert psp.get("/v1/charges/ch_unheard_of").status_code == 404
    assert psp.put("/v1/charges").status_code == 405
    assert psp.get("/v1/charges").status_code == 400
    headers = {"Idempotency-Key": uuid4().hex}
    assert psp.post("/v1/charges", content=b"{", headers=headers).status_code == 400
    assert psp.post("/v1/charges", content=b"x" * 300_000, headers=headers).status_code == 413
    assert psp.post("/v1/charges", json={}).json()["error"]["code"] == "missing_idempotency_key"


@pytest.mark.parametrize(
    ("number", "brand", "status"),
    [
        ("4242 4242 4242 4242", "visa", "captured"),
        ("5555555555554444", "mastercard", "captured"),
        ("6362970000457013", "elo", "captured"),
        ("4000000000000002", "visa", "declined"),
        ("4000000000009995", "visa", "declined"),
        ("4000000000003220", "visa", "requires_action"),
    ],
)
def test_a_test_card_becomes_a_token_that_acts_like_it(psp: httpx.Client, number: str, brand: str, status: str) -> None:
    card = {"number": number, "expiry_month": 12, "expiry_year": 2099, "holder": "ANA SOUZA"}

    token = psp.post("/v1/card_tokens", json=card).json()
    body = charge(psp, token=token["token"]).json()

    assert (token["brand"], token["last4"]) == (brand, number[-4:])
    assert body.get("charge", body)["status"] == status


def test_a_card_past_its_expiry_declines(psp: httpx.Client) -> None:
    card = {"number": "4242424242424242", "expiry_month": 1, "expiry_year": 2020, "holder": "ANA SOUZA"}

    token = psp.post("/v1/card_tokens", json=card).json()["token"]

    assert charge(psp, token=token).json()["error"]["decline_code"] == "expired_card"


@pytest.mark.parametrize(
    ("number", "code"), [("4242424242424241", "invalid_number"), ("4111111111111111", "not_a_test_card")]
)
def test_only_test_cards_are_taken(psp: httpx.Client, number: str, code: str) -> None:
    card = {"number": number, "expiry_month": 12, "expiry_year": 2099}

    assert psp.post("/v1/card_tokens", json=card).json()["error"]["code"] == code


def test_a_browser_makes_tokens_with_the_publishable_key_from_any_origin(sandbox: Sandbox) -> None:
    card = {"number": "4242424242424242", "expiry_month": 12, "expiry_year": 2099}
    real_card = {**card, "number": "4111111111111111"}
    headers = {"Authorization": f"Bearer {sandbox.publishable_key}", "Origin": "http://shop.example"}
    url = f"{sandbox.base_url}/v1/card_tokens"

    preflight = httpx.request("OPTIONS", url, headers=headers)
    made = httpx.post(url, json=card, headers=headers)
    refused = httpx.post(url, json=real_card, headers=headers)

    assert (preflight.status_code, made.status_code, refused.status_code) == (204, 201, 422)
    for response in (preflight, made, refused):
        assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_number_of_a_card_is_kept_nowhere(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox, sandbox.client() as psp:
        psp.post("/v1/card_tokens", json={"number": "4242424242424242", "expiry_month": 12, "expiry_year": 2099})

    for file in tmp_path.iterdir():
        assert b"4242424242424242" not in file.read_bytes(), file.name


def test_the_same_key_and_body_get_the_stored_answer(psp: httpx.Client) -> None:
    key, reference = uuid4().hex, uuid4().hex

    first = charge(psp, key=key, reference=reference)
    psp.post(f"/v1/charges/{first.json()['id']}/refunds", json={"amount": "1.00"}, headers={"Idempotency-Key": key})
    second = charge(psp, key=key, reference=reference)

    assert (second.status_code, second.content) == (201, first.content)
    assert len(psp.get("/v1/charges", params={"reference": reference}).json()["charges"]) == 1


def test_a_decline_is_stored_under_its_key_too(psp: httpx.Client) -> None:
    key = uuid4().hex

    first = charge(psp, key=key, reference="same", token="tok_declined")
    second = charge(psp, key=key, reference="same", token="tok_declined")

    assert (second.status_code, second.content) == (402, first.content)


def test_the_same_key_with_another_body_is_refused(psp: httpx.Client) -> None:
    key, reference = uuid4().hex, uuid4().hex
    charge(psp, key=key, reference=reference)

    response = charge(psp, key=key, reference=reference, amount="99.00")

    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", [f"raced-{number}" for number in range(10)])
def test_eight_racing_requests_with_one_key_charge_once(psp: httpx.Client, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: charge(psp, key=key, reference=key), range(8)))

    charged = {response.json()["id"] for response in responses if response.status_code == 201}
    booked = psp.get("/v1/charges", params={"reference": key}).json()["charges"]
    assert {response.status_code for response in responses} <= {201, 409}
    assert [item["id"] for item in booked] == list(charged)
    assert len(charged) == 1


def test_a_request_in_flight_answers_409_to_its_twin(psp: httpx.Client) -> None:
    key = uuid4().hex
    psp.post("/control/behaviour", json={"kind": "delay", "delay_ms": 1500})

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(charge, psp, key=key, reference="slow")
        eventually(lambda: psp.get("/control/behaviour").json() == {"waiting": []})
        twin = charge(psp, key=key, reference="slow")
        first = slow.result()

    assert (twin.status_code, twin.json()["error"]["code"]) == (409, "in_flight")
    assert charge(psp, key=key, reference="slow").content == first.content
