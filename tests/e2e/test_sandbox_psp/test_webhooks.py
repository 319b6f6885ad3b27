"""Webhooks, received by a real HTTP server."""

import hashlib
import hmac
import time
from typing import Any

import httpx

from tests.sandbox_psp.testing import Received, Receiver, Sandbox, charge, eventually, refund, running


def is_signed(webhook: Received, secret: str) -> bool:
    """Check the signature as the documentation tells a merchant to, with no code of the server."""
    parts = dict(part.split("=", 1) for part in webhook.headers["Sandbox-Signature"].split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + webhook.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


def test_a_webhook_is_signed_over_time_and_raw_body(sandbox: Sandbox, psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, method="pix", reference="order-7", webhook_url=receiver.url).json()["id"]
    psp.post(f"/control/charges/{charge_id}/pay")

    webhook = receiver.wait_for(1)[0]

    assert is_signed(webhook, sandbox.webhook_secret)
    assert not is_signed(webhook, "whsec_wrong")
    assert not is_signed(Received(webhook.headers, webhook.body + b" "), sandbox.webhook_secret)
    event = webhook.event
    assert (event["data"]["charge"]["id"], event["data"]["charge"]["reference"]) == (charge_id, "order-7")


def test_synchronous_results_and_api_refunds_send_no_webhook(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, webhook_url=receiver.url).json()["id"]
    refund(psp, charge_id, "10.00")

    assert psp.get("/control/webhooks", params={"charge_id": charge_id}).json() == {"webhooks": []}


def test_webhook_all_tells_of_synchronous_results_too(receiver: Receiver) -> None:
    with running(webhook_url=receiver.url, webhook_all=True) as sandbox, sandbox.client() as psp:
        charge_id = charge(psp).json()["id"]
        refund(psp, charge_id, "10.00")

        events = [webhook.event for webhook in receiver.wait_for(2)]

    assert [event["type"] for event in events] == ["charge.captured", "charge.refunded"]
    assert [event["data"]["charge"]["refunded"] for event in events] == ["0.00", "10.00"]


def test_a_refund_on_the_control_page_is_told(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, webhook_url=receiver.url).json()["id"]

    response = psp.post(f"/control/charges/{charge_id}/refund", json={"amount": "25.00"})

    event = receiver.wait_for(1)[0].event
    assert response.status_code == 201
    assert (event["type"], event["data"]["charge"]["refunded"]) == ("charge.refunded", "25.00")


def test_a_webhook_is_tried_again_until_it_is_taken(psp: httpx.Client, receiver: Receiver) -> None:
    receiver.statuses += [500, 503]
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]
    psp.post(f"/control/charges/{charge_id}/pay")

    webhooks = receiver.wait_for(3)

    def log() -> dict[str, Any]:
        entry: dict[str, Any] = psp.get("/control/webhooks", params={"charge_id": charge_id}).json()["webhooks"][0]
        return entry

    eventually(lambda: log()["state"] == "delivered")
    assert len({webhook.body for webhook in webhooks}) == 1
    assert [attempt["http_status"] for attempt in log()["deliveries"]] == [500, 503, 200]


def test_duplicates_share_the_id_of_their_event(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]
    psp.post(f"/control/charges/{charge_id}/pay")

    written = psp.post(f"/control/charges/{charge_id}/webhooks", json={"type": "charge.captured", "times": 4}).json()

    assert written == {"written": 4}
    assert len({webhook.event["id"] for webhook in receiver.wait_for(5)}) == 1


def test_the_story_of_a_charge_can_be_told_backwards(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]
    psp.post(f"/control/charges/{charge_id}/pay")
    psp.post(f"/control/charges/{charge_id}/refund")
    receiver.wait_for(2)

    psp.post(f"/control/charges/{charge_id}/webhooks", json={"reversed": True})

    types = [webhook.event["type"] for webhook in receiver.wait_for(4)]
    assert types == ["charge.captured", "charge.refunded", "charge.refunded", "charge.captured"]


def test_a_late_webhook_comes_late_and_a_badly_signed_one_does_not_check(
    sandbox: Sandbox, psp: httpx.Client, receiver: Receiver
) -> None:
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]
    started = time.monotonic()

    psp.post(f"/control/charges/{charge_id}/webhooks", json={"type": "charge.expired", "delay_ms": 400})
    late = receiver.wait_for(1)[0]
    assert time.monotonic() - started >= 0.4
    assert is_signed(late, sandbox.webhook_secret)

    psp.post(f"/control/charges/{charge_id}/webhooks", json={"type": "charge.expired", "bad_signature": True})
    assert not is_signed(receiver.wait_for(2)[1], sandbox.webhook_secret)


def test_a_webhook_may_claim_to_be_signed_long_ago(psp: httpx.Client, receiver: Receiver) -> None:
    charge_id = charge(psp, method="pix", webhook_url=receiver.url).json()["id"]

    psp.post(f"/control/charges/{charge_id}/webhooks", json={"type": "charge.expired", "signed_seconds_ago": 600})

    header = receiver.wait_for(1)[0].headers["Sandbox-Signature"]
    assert 595 <= time.time() - int(header.removeprefix("t=").partition(",")[0]) <= 605
