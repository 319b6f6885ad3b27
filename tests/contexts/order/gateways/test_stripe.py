"""Stripe's adapter against a server that speaks Stripe's API, a process of its own."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from contexts.order import adapters
from contexts.order.adapters import GatewayRefused, GatewayUnavailable, OutcomeUnknown, StripeGateway, WebhookMalformed
from contexts.order.adapters.stripe_objects import Charge, Intent, PaymentError, Refund
from ecommerce import codec
from ecommerce.ids import new_id
from tests.contexts.order.gateways.conformance import NOTHING, GatewayConformance, Rig, reais
from tests.sandbox_psp.testing import Receiver
from tests.stripe_server.testing import StripeServer, running

PATHS = {"charge": "/v1/payment_intents", "refund": "/v1/refunds"}


@pytest.fixture(scope="module")
def server(receiver: Receiver) -> Iterator[StripeServer]:
    with running(webhook_url=receiver.url, hang_seconds=1.5) as server:
        yield server


@pytest.fixture
def control(server: StripeServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.delete("/_front/faults")
        yield client


@pytest.fixture
def rig(server: StripeServer, control: httpx.Client, receiver: Receiver) -> Rig:
    gateway = StripeGateway(
        api_key=server.api_key, webhook_secret=server.webhook_secret, url=server.base_url, read_seconds=0.6
    )
    return Rig(
        gateway=gateway,
        approved="pm_card_visa",
        declined={
            "pm_card_chargeDeclined": "generic_decline",
            "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
            "pm_card_chargeDeclinedExpiredCard": "expired_card",
            "pm_card_chargeDeclinedLostCard": "generic_decline",
        },
        unknown_token="pm_unheard_of",
        three_ds="pm_card_threeDSecure2Required",
        answer_bank=lambda url, passes: control.post(f"{url}/{'approve' if passes else 'fail'}"),
        unknown_id="pi_unheard_of",
        lose_answer=lambda what, when: order_fault(control, f"hang_{when}", PATHS[what]),
        event=event,
        sign=sign,
        receiver=receiver,
    )


def order_fault(control: httpx.Client, kind: str, path: str = "/v1/") -> None:
    control.post("/_front/faults", json={"kind": kind, "path": path}).raise_for_status()


def event(intent_id: str, attempt_id: UUID | None) -> bytes:
    metadata = {"attempt_id": str(attempt_id)} if attempt_id else {}
    told = {"id": intent_id, "object": "payment_intent", "metadata": metadata}
    return codec.encode({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": told}})


def sign(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={seconds},v1={digest}"}


class TestStripe(GatewayConformance):
    """What every gateway must do."""


# --- what only Stripe does -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("rate_limit", GatewayUnavailable), ("in_flight", OutcomeUnknown), ("error_after", OutcomeUnknown)],
)
def test_a_refusal_of_the_server_is_told_apart_from_silence(
    rig: Rig, control: httpx.Client, kind: str, outcome: type[Exception]
) -> None:
    order_fault(control, kind)

    with pytest.raises(outcome):
        rig.gateway.charge(rig.request())


def test_a_refund_is_made_once_even_when_the_key_was_forgotten(rig: Rig, control: httpx.Client) -> None:
    """Stripe keeps idempotency keys for a day; a saga may try for longer."""
    charged, refund_id = rig.charged(), new_id()
    rig.gateway.refund(charged, refund_id, reais("40.00"), "returned")
    control.delete("/_front/keys").raise_for_status()

    assert rig.gateway.refund(charged, refund_id, reais("40.00"), "returned").refunded == reais("40.00")


def test_a_refund_that_failed_at_the_bank_is_not_taken_for_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    charged, refund_id = rig.charged(), new_id()
    failed = Refund("re_1", "failed", metadata={"refund_id": str(refund_id)}, failure_reason="lost_or_stolen_card")
    monkeypatch.setattr(StripeGateway, "_refunds", lambda self, chosen: iter([failed]))

    with pytest.raises(GatewayRefused) as refused:
        rig.gateway.refund(charged, refund_id, reais("40.00"), "returned")

    assert refused.value.params == {"gateway_code": "lost_or_stolen_card"}


def test_the_server_leaves_no_file_behind(rig: Rig) -> None:
    """localstripe by itself would write all it knows to one place, for every server of the machine."""
    before = time.time()

    rig.charged()

    shared = Path("/tmp/localstripe.pickle")
    assert not shared.exists() or shared.stat().st_mtime < before


def test_a_charge_begun_long_after_its_attempt_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contexts.order.adapters.stripe.SOUGHT", ((-timedelta(hours=2), -timedelta(minutes=1)),))
    asked = rig.request()
    charged = rig.gateway.charge(asked)
    assert rig.gateway.find(asked.attempt_id) is None

    monkeypatch.undo()
    assert rig.gateway.find(asked.attempt_id) == charged


@pytest.mark.parametrize(
    ("told", "intent_id"),
    [
        ({"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}, "pi_1"),
        ({"id": "re_1", "object": "refund", "payment_intent": "pi_1", "metadata": {"refund_id": "1"}}, "pi_1"),
        ({"id": "pi_1", "object": "payment_intent", "metadata": None}, "pi_1"),
    ],
)
def test_what_belongs_to_an_intent_is_about_it(rig: Rig, told: dict[str, object], intent_id: str) -> None:
    body = codec.encode({"id": "evt_1", "type": "x", "data": {"object": told}})

    assert rig.parsed(body).gateway_id == intent_id


def test_what_is_about_no_payment_is_malformed(rig: Rig) -> None:
    body = codec.encode(
        {"id": "evt_1", "type": "customer.created", "data": {"object": {"id": "cus_1", "object": "customer"}}}
    )

    with pytest.raises(WebhookMalformed):
        rig.parsed(body)


def test_while_a_secret_is_changed_one_good_signature_of_two_is_enough(rig: Rig) -> None:
    body, now = event("pi_1", None), datetime.now(UTC)
    good, other = (sign(body, secret, now)["Stripe-Signature"] for secret in (rig.secret, "whsec_new"))

    told = rig.gateway.parse_webhook({"stripe-signature": f"{other},{good.partition(',')[2]}"}, body, now)

    assert told.gateway_id == "pi_1"


def intent(**changes: object) -> Intent:
    usual = {"id": "pi_1", "status": "succeeded", "created": 0, "currency": "brl", "amount_capturable": 0}
    return Intent(**{**usual, "amount_received": 10_000, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "processing"}, "pending"),
        ({"status": "canceled", "cancellation_reason": "requested_by_customer"}, "voided"),
        ({"status": "canceled", "cancellation_reason": "automatic"}, "expired"),
        ({"status": "something_new"}, "pending"),
        ({"latest_charge": Charge(10_000, 10_000, 9_999)}, "captured"),
        ({"latest_charge": Charge(10_000, 10_000, 10_000)}, "refunded"),
        ({"latest_charge": Charge(20_000, 10_000, 10_000)}, "captured"),
        ({"latest_charge": "ch_not_expanded"}, "captured"),
    ],
)
def test_states_in_our_words(changes: dict[str, object], status: str) -> None:
    assert intent(**changes).result().status == status


def test_what_a_cancelled_authorization_lets_go_was_never_refunded() -> None:
    gone = intent(status="canceled", amount_received=0, latest_charge=Charge(10_000, 0, 10_000)).result()

    assert (gone.captured, gone.refunded) == (NOTHING, NOTHING)


def test_yen_have_no_cents() -> None:
    assert str(intent(currency="jpy", amount_received=500).result().captured) == "500 JPY"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PaymentError("card_declined", "do_not_honor"), "do_not_honor"),
        (PaymentError("card_declined", "stolen_card"), "generic_decline"),
        (PaymentError("incorrect_cvc"), "incorrect_cvc"),
        (PaymentError(), "generic_decline"),
    ],
)
def test_decline_codes_in_our_words(error: PaymentError, reason: str) -> None:
    assert error.reason == reason


def test_the_gateway_of_the_settings_charges(rig: Rig, server: StripeServer, settings: Settings) -> None:
    settings.STRIPE_API_URL = f"{server.base_url}/"
    settings.STRIPE_API_KEY = server.api_key

    assert adapters.gateway("stripe").charge(rig.request()).status == "captured"


def test_the_package_is_not_loaded_until_somebody_pays() -> None:
    program = "import django; django.setup(); import sys; sys.exit('stripe' in sys.modules)"
    root = Path(django_settings.BASE_DIR)
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "PATH": "", "HOME": str(root)}

    assert subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, timeout=60).returncode == 0
