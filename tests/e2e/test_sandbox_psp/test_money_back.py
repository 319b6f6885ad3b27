"""Refunds and voids."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from tests.sandbox_psp.testing import charge, refund


def test_refunds_add_up_to_what_was_captured_and_not_to_a_cent_more(psp: httpx.Client) -> None:
    charge_id = charge(psp, amount="100.00").json()["id"]

    assert refund(psp, charge_id, "33.33").status_code == 201
    assert refund(psp, charge_id, "33.33").status_code == 201
    too_much = refund(psp, charge_id, "33.35")
    last = refund(psp, charge_id, "33.34")

    assert (too_much.status_code, too_much.json()["error"]["refundable"]) == (422, "33.34")
    assert (last.json()["charge"]["status"], last.json()["charge"]["refunded"]) == ("refunded", "100.00")
    assert refund(psp, charge_id, "0.01").status_code == 422
    listed = psp.get(f"/v1/charges/{charge_id}/refunds").json()["refunds"]
    assert [item["amount"] for item in listed] == ["33.33", "33.33", "33.34"]


def test_racing_refunds_never_exceed_the_capture(psp: httpx.Client) -> None:
    charge_id = charge(psp, amount="100.00").json()["id"]

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: refund(psp, charge_id, "30.00"), range(8)))

    assert sorted(response.status_code for response in responses) == [201] * 3 + [422] * 5
    assert psp.get(f"/v1/charges/{charge_id}").json()["refunded"] == "90.00"


def test_a_refund_happens_once_per_key(psp: httpx.Client) -> None:
    charge_id, other_id, key = charge(psp).json()["id"], charge(psp).json()["id"], uuid4().hex

    first, second = refund(psp, charge_id, "10.00", key=key), refund(psp, charge_id, "10.00", key=key)

    assert first.content == second.content
    assert psp.get(f"/v1/charges/{charge_id}").json()["refunded"] == "10.00"
    assert refund(psp, charge_id, "11.00", key=key).status_code == 422
    assert refund(psp, other_id, "10.00", key=key).status_code == 422


def test_what_was_never_captured_cannot_be_refunded(psp: httpx.Client) -> None:
    authorized = charge(psp, capture=False).json()["id"]

    assert refund(psp, authorized, "1.00").json()["error"]["code"] == "refund_too_large"


def test_a_void_lets_an_authorization_go_and_may_be_repeated(psp: httpx.Client) -> None:
    charge_id = charge(psp, capture=False).json()["id"]

    first, second = psp.post(f"/v1/charges/{charge_id}/void"), psp.post(f"/v1/charges/{charge_id}/void")

    assert first.json()["status"] == "voided"
    assert second.json() == first.json()
    assert psp.post(f"/v1/charges/{charge_id}/capture").status_code == 409


def test_captured_money_cannot_be_voided(psp: httpx.Client) -> None:
    charge_id = charge(psp).json()["id"]

    assert psp.post(f"/v1/charges/{charge_id}/void").json()["error"]["code"] == "invalid_state"
