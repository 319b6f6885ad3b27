"""The gateway adapter against the real sandbox payment server, a process of its own."""

import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pytest_django import Settings

from contexts.order import adapters
from contexts.order.adapters import (
    ChargeRequest,
    ChargeResult,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeUnknown,
    SandboxGateway,
    UnknownGateway,
    WebhookMalformed,
    WebhookSignatureInvalid,
)
from ecommerce import clock, codec
from ecommerce.deadline import due_by
from ecommerce.money import Money
from tests.sandbox_psp.testing import Received, Sandbox, free_port, receiving, running

NOW = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(hang_seconds=1.5) as server:
        yield server


@pytest.fixture
def psp(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """The control API of the server."""
    with sandbox.client() as client:
        client.delete("/control/behaviour")
        yield client


@pytest.fixture
def gateway(sandbox: Sandbox) -> SandboxGateway:
    return SandboxGateway(
        url=sandbox.base_url, api_key=sandbox.api_key, webhook_secret=sandbox.webhook_secret, read_seconds=0.6
    )


def request(**changes: Any) -> ChargeRequest:
    card = {"attempt_id": uuid4(), "method": "card", "amount": reais("100.00"), "token": "tok_approved"}
    return ChargeRequest(**{**card, **changes})


def reais(amount: str) -> Money:
    return Money(Decimal(amount))


def signed(body: bytes, *, secret: str, at: datetime = NOW) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"sandbox-signature": f"t={seconds},v1={digest}"}


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Run a server that reads one request, sends ``answer`` and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


# --- charging ----------------------------------------------------------------------------------------------------
def test_an_approved_card_is_captured(gateway: SandboxGateway) -> None:
    result = gateway.charge(request(amount=reais("129.90"), installments=3))

    assert (result.status, result.captured, result.refunded) == ("captured", reais("129.90"), reais("0.00"))
    assert result.client_data == {"brand": "visa", "last4": "4242"}
    assert gateway.fetch(result.gateway_id) == result


def test_a_decline_is_a_result(gateway: SandboxGateway) -> None:
    asked = request(token="tok_insufficient_funds")

    result = gateway.charge(asked)

    assert (result.status, result.decline_code, result.captured) == ("declined", "insufficient_funds", reais("0"))
    assert result.gateway_id
    assert gateway.find(asked.attempt_id) == result


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "tok_unheard_of"}, "unknown_token"),
        ({"method": "boleto", "payer_name": "", "due_at": NOW}, "invalid_request"),
    ],
)
def test_what_the_gateway_does_not_accept_is_declined_without_a_charge(
    gateway: SandboxGateway, changes: dict[str, Any], code: str
) -> None:
    asked = request(**changes)

    result = gateway.charge(asked)

    assert (result.status, result.gateway_id, result.decline_code) == ("declined", "", code)
    assert gateway.find(asked.attempt_id) is None


def test_a_pix_has_the_attempt_as_txid_and_our_expiry(gateway: SandboxGateway) -> None:
    asked = request(method="pix", expires_at=NOW + timedelta(minutes=30))

    result = gateway.charge(asked)

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
def test_a_boleto_is_due_on_the_brazilian_day(gateway: SandboxGateway, due_at: datetime, day: str) -> None:
    asked = request(method="boleto", due_at=due_at, payer_name="Ana Souza", payer_tax_id="39053344705")

    result = gateway.charge(replace(asked, expires_at=due_at + timedelta(days=3)))

    assert (result.status, result.client_data["due_date"]) == ("pending", day)
    assert len(result.client_data["linha_digitavel"]) == 47


@pytest.mark.parametrize(("code", "status"), [("VALE-100", "captured"), ("VALE-VAZIO", "declined")])
def test_a_voucher_pays_or_is_empty(gateway: SandboxGateway, code: str, status: str) -> None:
    assert gateway.charge(request(method="voucher", voucher_code=code)).status == status


def test_3ds_sends_the_customer_to_the_bank_and_back(gateway: SandboxGateway, psp: httpx.Client) -> None:
    result = gateway.charge(request(token="tok_3ds", return_url="http://shop.example/back"))
    assert result.status == "requires_action"

    leaving = psp.post(f"{result.client_data['redirect_url']}/approve")

    assert leaving.headers["Location"] == "http://shop.example/back"
    assert gateway.fetch(result.gateway_id).captured == reais("100.00")


# --- once per attempt --------------------------------------------------------------------------------------------
def test_repeating_a_charge_returns_the_first(gateway: SandboxGateway) -> None:
    asked = request()

    assert gateway.charge(asked) == gateway.charge(asked)


def test_another_charge_under_a_used_attempt_leaves_the_outcome_open(gateway: SandboxGateway) -> None:
    asked = request()
    first = gateway.charge(asked)

    with pytest.raises(OutcomeUnknown):
        gateway.charge(replace(asked, amount=reais("99.00")))

    assert gateway.find(asked.attempt_id) == first


def test_racing_charges_of_one_attempt_charge_once(gateway: SandboxGateway, psp: httpx.Client) -> None:
    asked = request()

    def charge(_: int) -> ChargeResult | None:
        try:
            return gateway.charge(asked)
        except OutcomeUnknown:
            return None

    with ThreadPoolExecutor(8) as pool:
        results = {result.gateway_id for result in pool.map(charge, range(8)) if result}

    booked = psp.get("/v1/charges", params={"reference": str(asked.attempt_id)}).json()["charges"]
    assert [item["id"] for item in booked] == list(results)


def test_an_attempt_never_charged_is_not_found(gateway: SandboxGateway) -> None:
    assert gateway.find(uuid4()) is None


# --- what may have happened --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "found"),
    [("tok_timeout_after_charge", "captured"), ("tok_timeout_before", None), ("tok_error_500", None)],
)
def test_a_lost_answer_is_unknown_until_asked(gateway: SandboxGateway, token: str, found: str | None) -> None:
    asked = request(token=token)

    with pytest.raises(OutcomeUnknown):
        gateway.charge(asked)

    result = gateway.find(asked.attempt_id)
    assert (result.status if result else None) == found


def test_a_refund_whose_answer_was_lost_may_be_repeated(gateway: SandboxGateway, psp: httpx.Client) -> None:
    charged, refund_id = gateway.charge(request()), uuid4()
    psp.post("/control/behaviour", json={"kind": "error_after", "operation": "refund"})

    with pytest.raises(OutcomeUnknown):
        gateway.refund(charged.gateway_id, refund_id, reais("40.00"), "returned")
    repeated = gateway.refund(charged.gateway_id, refund_id, reais("40.00"), "returned")

    assert repeated.refunded == reais("40.00")
    assert gateway.fetch(charged.gateway_id).refunded == reais("40.00")


def test_a_gateway_that_is_down_surely_did_nothing(gateway: SandboxGateway) -> None:
    down = replace(gateway, url=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(GatewayUnavailable):
        down.charge(request())
    with pytest.raises(GatewayUnavailable):
        down.refund("ch_1", uuid4(), reais("1.00"), "")
    with pytest.raises(GatewayUnavailable):
        down.void("ch_1")


def test_asking_a_gateway_that_is_down_teaches_nothing(gateway: SandboxGateway) -> None:
    down = replace(gateway, url=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(OutcomeUnknown):
        down.find(uuid4())
    with pytest.raises(OutcomeUnknown):
        down.fetch("ch_1")


def test_who_has_no_time_left_asks_for_nothing(gateway: SandboxGateway) -> None:
    asked = request()

    with due_by(clock.now()):
        with pytest.raises(GatewayUnavailable):
            gateway.charge(asked)
        with pytest.raises(OutcomeUnknown):
            gateway.find(asked.attempt_id)

    assert gateway.find(asked.attempt_id) is None


def test_an_answer_is_not_awaited_much_longer_than_there_is_time(gateway: SandboxGateway) -> None:
    patient, begun = replace(gateway, read_seconds=60.0), time.monotonic()

    with due_by(clock.now() + timedelta(seconds=0.5)), pytest.raises(OutcomeUnknown):
        patient.charge(request(token="tok_timeout_before"))

    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    "answer",
    [
        b"",  # closed after it read the request
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_broken_answer_leaves_the_outcome_open(gateway: SandboxGateway, answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(OutcomeUnknown):
        replace(gateway, url=url).charge(request())


@pytest.mark.parametrize("api_key", ["sk_wrong", ""])
def test_a_wrong_key_charges_nothing_and_says_so(gateway: SandboxGateway, api_key: str) -> None:
    with pytest.raises(GatewayUnavailable):
        replace(gateway, api_key=api_key).charge(request())


def test_a_gateway_that_was_restarted_is_reached_again(gateway: SandboxGateway) -> None:
    with running() as server:
        own = replace(gateway, url=server.base_url)
        first = own.charge(request())
        server.kill()
        with pytest.raises((GatewayUnavailable, OutcomeUnknown)):
            own.charge(request())
        server.start()

        assert own.fetch(first.gateway_id) == first


# --- giving back -------------------------------------------------------------------------------------------------
def test_partial_refunds_add_up_and_the_last_one_empties_the_charge(gateway: SandboxGateway) -> None:
    charged = gateway.charge(request(amount=reais("10.00"))).gateway_id

    part = gateway.refund(charged, uuid4(), reais("3.33"), "returned")
    rest = gateway.refund(charged, uuid4(), reais("6.67"), "returned")

    assert (part.status, part.refunded) == ("captured", reais("3.33"))
    assert (rest.status, rest.refunded) == ("refunded", reais("10.00"))


def test_refunding_more_than_is_left_is_refused(gateway: SandboxGateway) -> None:
    charged = gateway.charge(request()).gateway_id

    with pytest.raises(GatewayRefused) as refused:
        gateway.refund(charged, uuid4(), reais("100.01"), "returned")

    assert refused.value.params == {"gateway_code": "refund_too_large"}


def test_an_unpaid_pix_is_voided_and_may_be_voided_again(gateway: SandboxGateway) -> None:
    charged = gateway.charge(request(method="pix")).gateway_id

    assert gateway.void(charged).status == "voided"
    assert gateway.void(charged).status == "voided"


def test_captured_money_cannot_be_voided(gateway: SandboxGateway) -> None:
    charged = gateway.charge(request()).gateway_id

    with pytest.raises(GatewayRefused):
        gateway.void(charged)


def test_an_unheard_of_charge_is_refused(gateway: SandboxGateway) -> None:
    for act in (gateway.fetch, gateway.void):
        with pytest.raises(GatewayRefused):
            act("ch_unheard_of")


# --- webhooks ----------------------------------------------------------------------------------------------------
def test_a_webhook_of_the_server_names_the_attempt(gateway: SandboxGateway, psp: httpx.Client) -> None:
    with receiving() as receiver:
        asked = request(method="pix", webhook_url=receiver.url)
        charged = gateway.charge(asked)
        psp.post(f"/control/charges/{charged.gateway_id}/pay")
        webhook: Received = receiver.wait_for(1)[0]

    event = gateway.parse_webhook(webhook.headers, webhook.body, datetime.now(UTC))

    assert event.type == "charge.captured"
    assert (event.gateway_id, event.attempt_id) == (charged.gateway_id, asked.attempt_id)
    assert event.id == webhook.event["id"]
    assert gateway.fetch(event.gateway_id).captured == reais("100.00")


@pytest.mark.parametrize("spoilt", [{"bad_signature": True}, {"signed_seconds_ago": 600}])
def test_a_spoilt_webhook_of_the_server_is_refused(
    gateway: SandboxGateway, psp: httpx.Client, spoilt: Mapping[str, Any]
) -> None:
    with receiving() as receiver:
        charged = gateway.charge(request(method="pix", webhook_url=receiver.url))
        psp.post(f"/control/charges/{charged.gateway_id}/webhooks", json={"type": "charge.captured", **spoilt})
        webhook = receiver.wait_for(1)[0]

    with pytest.raises(WebhookSignatureInvalid):
        gateway.parse_webhook(webhook.headers, webhook.body, datetime.now(UTC))


BODY = codec.encode({"id": "evt_1", "type": "charge.captured", "data": {"charge": {
    "id": "ch_1", "reference": "0198c0de-0000-7000-8000-000000000000", "status": "captured", "currency": "BRL",
    "captured": "1.00", "refunded": "0.00", "decline_code": "", "client_data": {}}}})  # fmt: skip


@pytest.mark.parametrize("age", [timedelta(minutes=-5), timedelta(0), timedelta(minutes=5)])
def test_a_signature_is_good_for_five_minutes_either_way(gateway: SandboxGateway, age: timedelta) -> None:
    headers = signed(BODY, secret=gateway.webhook_secret, at=NOW - age)

    event = gateway.parse_webhook(headers, BODY, NOW)

    assert event.attempt_id == UUID("0198c0de-0000-7000-8000-000000000000")


@pytest.mark.parametrize("age", [timedelta(minutes=-5, seconds=-1), timedelta(minutes=5, seconds=1)])
def test_outside_its_window_a_signature_is_refused(gateway: SandboxGateway, age: timedelta) -> None:
    headers = signed(BODY, secret=gateway.webhook_secret, at=NOW - age)

    with pytest.raises(WebhookSignatureInvalid):
        gateway.parse_webhook(headers, BODY, NOW)


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", "v1=abc", "t=soon,v1=abc", f"t={int(NOW.timestamp())},v1=é", "t=1,t=2", ",,=,"]
)
def test_a_header_that_is_no_signature_is_refused(gateway: SandboxGateway, header: str) -> None:
    with pytest.raises(WebhookSignatureInvalid):
        gateway.parse_webhook({"Sandbox-Signature": header}, BODY, NOW)


def test_a_changed_body_is_refused(gateway: SandboxGateway) -> None:
    headers = signed(BODY, secret=gateway.webhook_secret)

    with pytest.raises(WebhookSignatureInvalid):
        gateway.parse_webhook(headers, BODY.replace(b'"1.00"', b'"9.00"'), NOW)


def test_without_a_secret_no_webhook_is_believed(gateway: SandboxGateway) -> None:
    with pytest.raises(WebhookSignatureInvalid):
        replace(gateway, webhook_secret="").parse_webhook(signed(BODY, secret=""), BODY, NOW)


def test_a_well_signed_body_of_another_kind_is_malformed(gateway: SandboxGateway) -> None:
    with pytest.raises(WebhookMalformed):
        gateway.parse_webhook(signed(b"[]", secret=gateway.webhook_secret), b"[]", NOW)


def test_a_charge_made_by_others_has_no_attempt(gateway: SandboxGateway) -> None:
    body = BODY.replace(b"0198c0de-0000-7000-8000-000000000000", b"made by hand")

    assert gateway.parse_webhook(signed(body, secret=gateway.webhook_secret), body, NOW).attempt_id is None


# --- the registry ------------------------------------------------------------------------------------------------
def test_the_gateway_of_the_settings_charges(sandbox: Sandbox, settings: Settings) -> None:
    settings.SANDBOX_PSP_URL = f"{sandbox.base_url}/"
    settings.SANDBOX_PSP_API_KEY = sandbox.api_key

    assert adapters.gateway("sandbox").charge(request()).status == "captured"
    assert adapters.gateway().capabilities.partial_refund


def test_an_unknown_gateway_is_not_found() -> None:
    with pytest.raises(UnknownGateway):
        adapters.gateway("unheard-of")
