"""The adapter of the sandbox payment server against that server, a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pytest_django import Settings

from contexts.order import adapters
from contexts.order.adapters import (
    GatewayUnavailable,
    OutcomeUnknown,
    SandboxGateway,
    UnknownGateway,
    WebhookSignatureInvalid,
)
from ecommerce import codec
from ecommerce.ids import new_id
from tests.contexts.order.gateways.conformance import NOW, GatewayConformance, Rig, reais
from tests.sandbox_psp.testing import Receiver, Sandbox, eventually, running
from tests.sandbox_psp.webhooks import signature


@pytest.fixture(scope="module")
def server(receiver: Receiver) -> Iterator[Sandbox]:
    with running(webhook_url=receiver.url, webhook_all=True, hang_seconds=1.5) as server:
        yield server


@pytest.fixture
def control(server: Sandbox) -> Iterator[httpx.Client]:
    """The control API of the server."""
    with server.client() as client:
        client.delete("/control/behaviour")
        yield client


@pytest.fixture
def rig(server: Sandbox, control: httpx.Client, receiver: Receiver) -> Rig:
    gateway = SandboxGateway(
        url=server.base_url, api_key=server.api_key, webhook_secret=server.webhook_secret, read_seconds=0.6
    )
    return Rig(
        gateway=gateway,
        approved="tok_approved",
        declined={
            "tok_declined": "do_not_honor",
            "tok_insufficient_funds": "insufficient_funds",
            "tok_expired": "expired_card",
        },
        unknown_token="tok_unheard_of",
        three_ds="tok_3ds",
        answer_bank=lambda url, passes: control.post(f"{url}/{'approve' if passes else 'fail'}"),
        unknown_id="ch_unheard_of",
        lose_answer=lambda what, when: order_fault(control, f"timeout_{when}", what),
        event=event,
        sign=lambda body, secret, at: {"Sandbox-Signature": signature(secret, body, int(at.timestamp()))},
        receiver=receiver,
    )


def order_fault(control: httpx.Client, kind: str, operation: str) -> None:
    control.post("/control/behaviour", json={"kind": kind, "operation": operation}).raise_for_status()


def event(charge_id: str, attempt_id: UUID | None) -> bytes:
    charge = {
        "id": charge_id, "reference": str(attempt_id or "made by hand"), "status": "captured", "amount": "1.00",
        "currency": "BRL", "captured": "1.00", "refunded": "0.00", "decline_code": "", "client_data": {},
        "created_at": "2027-01-15T12:00:00Z",
    }  # fmt: skip
    return codec.encode({"id": "evt_1", "type": "charge.captured", "data": {"charge": charge}})


class TestSandbox(GatewayConformance):
    """What every gateway must do."""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "tok_unheard_of"}, "unknown_token"),
        ({"method": "boleto", "payer_name": "", "due_at": NOW}, "invalid_request"),
    ],
)
def test_what_the_gateway_does_not_accept_is_declined_without_a_charge(
    rig: Rig, changes: dict[str, Any], code: str
) -> None:
    asked = rig.request(**changes)

    result = rig.gateway.charge(asked)

    assert (result.status, result.gateway_id, result.decline_code) == ("declined", "", code)
    assert rig.gateway.find(asked.attempt_id) is None


def test_a_pix_has_the_attempt_as_txid_and_our_expiry(rig: Rig) -> None:
    asked = rig.request(method="pix", expires_at=NOW + timedelta(minutes=30))

    result = rig.gateway.charge(asked)

    assert (result.status, result.client_data["txid"]) == ("pending", asked.attempt_id.hex)
    assert datetime.fromisoformat(result.client_data["expires_at"]) == NOW + timedelta(minutes=30)
    assert result.client_data["br_code"].startswith("000201")


@pytest.mark.parametrize(
    ("due_at", "day"),
    [
        (datetime(2027, 1, 16, 2, 30, tzinfo=UTC), "2027-01-15"),  # still the 15th in São Paulo
        (datetime(2027, 1, 16, 3, 30, tzinfo=UTC), "2027-01-16"),
    ],
)
def test_a_boleto_is_due_on_the_brazilian_day(rig: Rig, due_at: datetime, day: str) -> None:
    asked = rig.request(method="boleto", due_at=due_at, payer_name="Ana Souza", payer_tax_id="39053344705")

    result = rig.gateway.charge(replace(asked, expires_at=due_at + timedelta(days=3)))

    assert (result.status, result.client_data["due_date"]) == ("pending", day)
    assert len(result.client_data["linha_digitavel"]) == 47


@pytest.mark.parametrize(("code", "status"), [("VALE-100", "captured"), ("VALE-VAZIO", "declined")])
def test_a_voucher_pays_or_is_empty(rig: Rig, code: str, status: str) -> None:
    assert rig.gateway.charge(rig.request(method="voucher", voucher_code=code)).status == status


# --- what may have happened --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "found"),
    [("tok_timeout_after_charge", "captured"), ("tok_timeout_before", None), ("tok_error_500", None)],
)
def test_a_lost_answer_is_unknown_until_asked(rig: Rig, token: str, found: str | None) -> None:
    asked = rig.request(token=token)

    with pytest.raises(OutcomeUnknown):
        rig.gateway.charge(asked)

    result = rig.gateway.find(asked.attempt_id)
    assert (result.status if result else None) == found


def test_an_old_charge_that_was_refunded_now_is_in_todays_books(rig: Rig) -> None:
    charged = rig.charged()
    eventually(lambda: charged not in {each.gateway_id for each in rig.booked(since=timedelta(milliseconds=-5))})
    before = datetime.now(UTC)

    rig.gateway.refund(charged, new_id(), reais("1.00"), "returned")

    books = {each.gateway_id: each for each in rig.gateway.books(before, before + timedelta(minutes=1))}
    assert books[charged].refunded == reais("1.00")


def test_a_gateway_that_was_restarted_is_reached_again(rig: Rig) -> None:
    with running() as server:
        own = rig.at(server.base_url)
        first = own.charge(rig.request())
        server.kill()
        with pytest.raises((GatewayUnavailable, OutcomeUnknown)):
            own.charge(rig.request())
        server.start()

        assert own.fetch(first.gateway_id) == first


# --- giving back -------------------------------------------------------------------------------------------------
def test_an_unpaid_pix_is_voided_and_may_be_voided_again(rig: Rig) -> None:
    charged = rig.charged(method="pix")

    assert rig.gateway.void(charged).status == "voided"
    assert rig.gateway.void(charged).status == "voided"


# --- webhooks ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spoilt", [{"bad_signature": True}, {"signed_seconds_ago": 600}])
def test_a_spoilt_webhook_of_the_server_is_refused(rig: Rig, control: httpx.Client, spoilt: Mapping[str, Any]) -> None:
    charged = rig.charged(method="pix")
    control.post(f"/control/charges/{charged}/webhooks", json={"type": "charge.captured", **spoilt})
    eventually(lambda: any(charged.encode() in each.body for each in rig.receiver.received))
    webhook = next(each for each in rig.receiver.received if charged.encode() in each.body)

    with pytest.raises(WebhookSignatureInvalid):
        rig.gateway.parse_webhook(webhook.headers, webhook.body, datetime.now(UTC))


# --- the registry ------------------------------------------------------------------------------------------------
def test_the_gateway_of_the_settings_charges(rig: Rig, server: Sandbox, settings: Settings) -> None:
    settings.SANDBOX_PSP_URL = f"{server.base_url}/"
    settings.SANDBOX_PSP_API_KEY = server.api_key

    assert adapters.gateway("sandbox").charge(rig.request()).status == "captured"
    assert adapters.gateway("sandbox").capabilities.partial_refund


def test_an_unknown_gateway_is_not_found() -> None:
    with pytest.raises(UnknownGateway):
        adapters.gateway("unheard-of")
