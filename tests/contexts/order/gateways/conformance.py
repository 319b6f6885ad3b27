"""What every gateway must do, as tests: a test module gives a ``rig`` and inherits them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest

from contexts.order.adapters import (
    BookedCharge,
    ChargeRequest,
    ChargeResult,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeUnknown,
    PaymentGateway,
    WebhookEvent,
    WebhookMalformed,
    WebhookSignatureInvalid,
)
from ecommerce import clock
from ecommerce.calls.client import CallInTransaction
from ecommerce.deadline import due_by
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work
from tests.sandbox_psp.testing import Receiver, eventually

NOW = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)
NOTHING = Money(Decimal(0))
BROKEN = {
    "closed after it read the request": b"",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "another shape": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "not JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops",
    "a proxy's error": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"nonsense\r\n\r\n",
}


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A gateway, the server behind it, and what a test can make that server do."""

    gateway: PaymentGateway
    approved: str
    """The token of a card that pays."""
    declined: Mapping[str, str]
    """Tokens of cards that do not, each with our code."""
    unknown_token: str
    three_ds: str
    """The token of a card whose bank asks the customer."""
    answer_bank: Callable[[str, bool], httpx.Response]
    """Be the customer at the redirect's URL: pass, or fail."""
    unknown_id: str
    """The id of a charge that never was, as it might look."""
    lose_answer: Callable[[str, Literal["before", "after"]], None]
    """Let the next ``charge`` or ``refund`` be lost, before or after it was done."""
    event: Callable[[str, UUID | None], bytes]
    """The body of a webhook about a charge, and the attempt that it names."""
    sign: Callable[[bytes, str, datetime], dict[str, str]]
    """The headers that sign a body with a secret at a time."""
    receiver: Receiver
    """Where the server's own webhooks arrive."""

    def at(self, url: str) -> PaymentGateway:
        """Return the gateway as it is when its server is somewhere else."""
        return self.but(url=url)

    def but(self, **changes: Any) -> PaymentGateway:
        gateway: PaymentGateway = replace(self.gateway, **changes)  # type: ignore[type-var]
        return gateway

    def request(self, **changes: Any) -> ChargeRequest:
        """A request for 100.00 from a card that pays, but for ``changes``."""
        usual = {"attempt_id": new_id(), "method": "card", "amount": reais("100.00"), "token": self.approved}
        return ChargeRequest(**{**usual, "return_url": "http://shop.example/back", **changes})

    def charged(self, **changes: Any) -> str:
        """Return the id of a new charge."""
        return self.gateway.charge(self.request(**changes)).gateway_id

    def booked(
        self, since: timedelta = timedelta(minutes=-5), until: timedelta = timedelta(minutes=5)
    ) -> list[BookedCharge]:
        now = datetime.now(UTC)
        return list(self.gateway.books(now + since, now + until))

    def parsed(self, body: bytes, *, secret: str = "", at: datetime = NOW) -> WebhookEvent:
        """Return what a webhook tells that was signed ``at`` some time, when it is noon."""
        return self.gateway.parse_webhook(self.sign(body, secret or self.secret, at), body, NOW)

    @property
    def secret(self) -> str:
        secret: str = self.gateway.webhook_secret  # type: ignore[attr-defined]
        return secret


def reais(amount: str) -> Money:
    return Money(Decimal(amount))


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


class GatewayConformance:
    # --- charging ----------------------------------------------------------------------------------------------------
    def test_who_has_no_time_left_asks_for_nothing(self, rig: Rig) -> None:
        asked = rig.request()
        with due_by(clock.now()):
            with pytest.raises(GatewayUnavailable):
                rig.gateway.charge(asked)
            with pytest.raises(OutcomeUnknown):
                rig.gateway.find(asked.attempt_id)
        assert rig.gateway.find(asked.attempt_id) is None

    def test_an_approved_card_is_captured(self, rig: Rig) -> None:
        asked = rig.request(amount=reais("129.90"))

        result = rig.gateway.charge(asked)

        assert (result.status, result.captured) == ("captured", reais("129.90"))
        assert (result.authorized, result.refunded) == (NOTHING, NOTHING)
        assert result.client_data == {"brand": "visa", "last4": "4242"}
        assert rig.gateway.fetch(result.gateway_id) == rig.gateway.find(asked.attempt_id) == result

    def test_cents_arrive_as_they_were(self, rig: Rig) -> None:
        for amount in ("1.01", "0.57", "12345.69"):
            assert rig.gateway.charge(rig.request(amount=reais(amount))).captured == reais(amount)

    def test_a_decline_is_a_result_with_our_code(self, rig: Rig) -> None:
        for token, code in rig.declined.items():
            asked = rig.request(token=token)

            result = rig.gateway.charge(asked)
            found = rig.gateway.find(asked.attempt_id)

            assert (result.status, result.decline_code, result.captured) == ("declined", code, NOTHING)
            assert result.gateway_id
            assert found is not None
            assert (found.gateway_id, found.status, found.decline_code) == (result.gateway_id, "declined", code)

    def test_a_card_that_there_is_not_is_declined_without_a_charge(self, rig: Rig) -> None:
        asked = rig.request(token=rig.unknown_token)

        result = rig.gateway.charge(asked)

        assert (result.status, result.gateway_id, result.captured) == ("declined", "", NOTHING)
        assert result.decline_code
        assert rig.gateway.find(asked.attempt_id) is None

    def test_3ds_sends_the_customer_to_the_bank_and_back(self, rig: Rig) -> None:
        passed, failed = (rig.gateway.charge(rig.request(token=rig.three_ds)) for _ in range(2))
        assert (passed.status, failed.status) == ("requires_action", "requires_action")
        assert passed.captured == NOTHING

        leaving = rig.answer_bank(passed.client_data["redirect_url"], True)
        rig.answer_bank(failed.client_data["redirect_url"], False)

        after = rig.gateway.fetch(failed.gateway_id)
        assert leaving.headers["Location"] == "http://shop.example/back"
        assert rig.gateway.fetch(passed.gateway_id).captured == reais("100.00")
        assert (after.status, after.decline_code) == ("declined", "authentication_failed")

    # --- once per attempt --------------------------------------------------------------------------------------------
    def test_repeating_a_charge_returns_the_first(self, rig: Rig) -> None:
        asked = rig.request()

        assert rig.gateway.charge(asked) == rig.gateway.charge(asked)
        assert [each.attempt_id for each in rig.booked()].count(asked.attempt_id) == 1

    def test_another_charge_under_a_used_attempt_leaves_the_outcome_open(self, rig: Rig) -> None:
        asked = rig.request()
        first = rig.gateway.charge(asked)

        with pytest.raises(OutcomeUnknown):
            rig.gateway.charge(replace(asked, amount=reais("99.00")))

        assert rig.gateway.find(asked.attempt_id) == first

    def test_racing_charges_of_one_attempt_charge_once(self, rig: Rig) -> None:
        asked = rig.request()

        def charge(_: int) -> ChargeResult | None:
            try:
                return rig.gateway.charge(asked)
            except OutcomeUnknown:
                return None

        with ThreadPoolExecutor(8) as pool:
            results = {result.gateway_id for result in pool.map(charge, range(8)) if result}

        booked = [each.gateway_id for each in rig.booked() if each.attempt_id == asked.attempt_id]
        assert booked == list(results)

    def test_an_attempt_never_charged_is_not_found(self, rig: Rig) -> None:
        assert rig.gateway.find(new_id()) is None

    # --- what may have happened --------------------------------------------------------------------------------------
    def test_a_charge_whose_answer_was_lost_is_found_and_not_made_again(self, rig: Rig) -> None:
        asked = rig.request()
        rig.lose_answer("charge", "after")

        with pytest.raises(OutcomeUnknown):
            rig.gateway.charge(asked)

        found = rig.gateway.find(asked.attempt_id)
        assert found is not None
        assert (found.status, found.captured) == ("captured", reais("100.00"))
        assert rig.gateway.charge(asked) == found

    def test_a_charge_that_never_arrived_can_be_made(self, rig: Rig) -> None:
        asked = rig.request()
        rig.lose_answer("charge", "before")

        with pytest.raises(OutcomeUnknown):
            rig.gateway.charge(asked)

        assert rig.gateway.find(asked.attempt_id) is None
        assert rig.gateway.charge(asked).captured == reais("100.00")

    @pytest.mark.parametrize("answer", BROKEN)
    def test_a_broken_answer_leaves_the_outcome_open(self, rig: Rig, answer: str) -> None:
        with answering(BROKEN[answer]) as url, pytest.raises(OutcomeUnknown):
            rig.at(url).charge(rig.request())

    def test_a_gateway_that_is_down_surely_did_nothing(self, rig: Rig, nobody: str) -> None:
        down = rig.at(nobody)

        with pytest.raises(GatewayUnavailable):
            down.charge(rig.request())

    def test_asking_a_gateway_that_is_down_teaches_nothing(self, rig: Rig, nobody: str) -> None:
        down = rig.at(nobody)

        with pytest.raises(OutcomeUnknown):
            down.find(new_id())
        with pytest.raises(OutcomeUnknown):
            down.fetch(rig.unknown_id)
        with pytest.raises(OutcomeUnknown):
            list(down.books(NOW, NOW))

    @pytest.mark.parametrize("key", ["nonsense", ""])
    def test_a_wrong_key_charges_nothing_and_says_so(self, rig: Rig, key: str) -> None:
        with pytest.raises(GatewayUnavailable):
            rig.but(api_key=key).charge(rig.request())

    @pytest.mark.django_db(databases=["order"])
    def test_nothing_is_sent_while_a_transaction_is_open(self, rig: Rig) -> None:
        with unit_of_work("order"):
            for act in (lambda: rig.gateway.charge(rig.request()), lambda: rig.gateway.find(new_id())):
                with pytest.raises(CallInTransaction):
                    act()

    # --- authorize, capture, void ------------------------------------------------------------------------------------
    def test_without_capture_money_is_only_held(self, rig: Rig) -> None:
        held = rig.gateway.charge(rig.request(capture=False))

        assert (held.status, held.authorized, held.captured) == ("authorized", reais("100.00"), NOTHING)
        assert rig.gateway.fetch(held.gateway_id) == held

    def test_what_is_held_can_be_captured_and_repeating_it_is_safe(self, rig: Rig) -> None:
        held, capture_id = rig.charged(capture=False), new_id()

        taken = rig.gateway.capture(held, capture_id, reais("100.00"))

        assert (taken.status, taken.authorized, taken.captured) == ("captured", NOTHING, reais("100.00"))
        assert rig.gateway.capture(held, capture_id, reais("100.00")) == taken
        assert rig.gateway.capture(held, new_id(), reais("100.00")) == taken

    def test_a_part_can_be_captured_and_the_rest_is_let_go(self, rig: Rig) -> None:
        held = rig.charged(capture=False)

        taken = rig.gateway.capture(held, new_id(), reais("30.01"))

        assert (taken.status, taken.authorized) == ("captured", NOTHING)
        assert (taken.captured, taken.refunded) == (reais("30.01"), NOTHING)
        with pytest.raises(GatewayRefused):
            rig.gateway.capture(held, new_id(), reais("69.99"))

    def test_only_what_was_captured_can_be_refunded(self, rig: Rig) -> None:
        held = rig.charged(capture=False)
        rig.gateway.capture(held, new_id(), reais("30.00"))

        with pytest.raises(GatewayRefused):
            rig.gateway.refund(held, new_id(), reais("30.01"), "returned")
        part = rig.gateway.refund(held, new_id(), reais("10.00"), "returned")
        rest = rig.gateway.refund(held, new_id(), reais("20.00"), "returned")

        assert (part.status, part.captured, part.refunded) == ("captured", reais("30.00"), reais("10.00"))
        assert (rest.status, rest.refunded) == ("refunded", reais("30.00"))

    def test_a_capture_may_be_repeated_even_after_a_refund(self, rig: Rig) -> None:
        held, capture_id = rig.charged(capture=False), new_id()
        rig.gateway.capture(held, capture_id, reais("30.00"))
        rig.gateway.refund(held, new_id(), reais("30.00"), "returned")

        for again in (capture_id, new_id()):
            assert rig.gateway.capture(held, again, reais("30.00")).captured == reais("30.00")
        assert rig.gateway.fetch(held).refunded == reais("30.00")

    def test_more_than_is_held_cannot_be_captured(self, rig: Rig) -> None:
        held = rig.charged(capture=False)

        with pytest.raises(GatewayRefused):
            rig.gateway.capture(held, new_id(), reais("100.01"))

        assert rig.gateway.fetch(held).authorized == reais("100.00")

    def test_what_is_held_can_be_let_go_and_repeating_it_is_safe(self, rig: Rig) -> None:
        held = rig.charged(capture=False)

        gone = rig.gateway.void(held)

        assert (gone.status, gone.authorized, gone.captured, gone.refunded) == ("voided", NOTHING, NOTHING, NOTHING)
        assert rig.gateway.void(held).status == "voided"
        with pytest.raises(GatewayRefused):
            rig.gateway.capture(held, new_id(), reais("100.00"))

    def test_captured_money_cannot_be_voided(self, rig: Rig) -> None:
        charged = rig.charged()

        with pytest.raises(GatewayRefused):
            rig.gateway.void(charged)

        assert rig.gateway.fetch(charged).captured == reais("100.00")

    # --- giving back -------------------------------------------------------------------------------------------------
    def test_a_refund_happens_once_per_id(self, rig: Rig) -> None:
        charged, refund_id = rig.charged(), new_id()

        for _ in range(2):
            assert rig.gateway.refund(charged, refund_id, reais("40.00"), "returned").refunded == reais("40.00")

        assert rig.gateway.fetch(charged).refunded == reais("40.00")

    def test_a_refund_whose_answer_was_lost_may_be_repeated(self, rig: Rig) -> None:
        charged, refund_id = rig.charged(), new_id()
        rig.lose_answer("refund", "after")

        with pytest.raises(OutcomeUnknown):
            rig.gateway.refund(charged, refund_id, reais("40.00"), "returned")
        repeated = rig.gateway.refund(charged, refund_id, reais("40.00"), "returned")

        assert repeated.refunded == rig.gateway.fetch(charged).refunded == reais("40.00")

    def test_partial_refunds_add_up_and_the_last_one_empties_the_charge(self, rig: Rig) -> None:
        charged = rig.charged(amount=reais("10.00"))

        part = rig.gateway.refund(charged, new_id(), reais("3.33"), "returned")
        rest = rig.gateway.refund(charged, new_id(), reais("6.67"), "returned")

        assert (part.status, part.refunded) == ("captured", reais("3.33"))
        assert (rest.status, rest.refunded) == ("refunded", reais("10.00"))

    def test_refunding_more_than_is_left_is_refused(self, rig: Rig) -> None:
        charged = rig.charged()
        rig.gateway.refund(charged, new_id(), reais("60.00"), "returned")

        with pytest.raises(GatewayRefused) as refused:
            rig.gateway.refund(charged, new_id(), reais("40.01"), "returned")

        assert refused.value.params == {"gateway_code": "refund_too_large"}
        assert rig.gateway.fetch(charged).refunded == reais("60.00")

    def test_an_unheard_of_charge_is_refused(self, rig: Rig) -> None:
        unknown, gateway = rig.unknown_id, rig.gateway
        acts: list[Callable[[], object]] = [
            lambda: gateway.fetch(unknown),
            lambda: gateway.void(unknown),
            lambda: gateway.capture(unknown, new_id(), reais("1.00")),
            lambda: gateway.refund(unknown, new_id(), reais("1.00"), ""),
        ]
        for act in acts:
            with pytest.raises(GatewayRefused):
                act()

    # --- webhooks ----------------------------------------------------------------------------------------------------
    def test_a_webhook_of_the_server_names_the_charge_and_the_attempt(self, rig: Rig) -> None:
        asked = rig.request(webhook_url=rig.receiver.url)
        charged = rig.gateway.charge(asked)
        told: list[WebhookEvent] = []

        def has_come() -> bool:
            for webhook in list(rig.receiver.received):
                event = rig.gateway.parse_webhook(webhook.headers, webhook.body, datetime.now(UTC))
                told.extend([event] if event.gateway_id == charged.gateway_id else [])
            return bool(told)

        eventually(has_come)
        assert told[0].attempt_id == asked.attempt_id
        assert rig.gateway.fetch(told[0].gateway_id) == charged

    def test_a_good_webhook_tells_what_it_is_about_and_twice_the_same(self, rig: Rig) -> None:
        attempt_id = new_id()
        body = rig.event("ch_of_it", attempt_id)

        told = rig.parsed(body)

        assert (told.gateway_id, told.attempt_id) == ("ch_of_it", attempt_id)
        assert told.id
        assert rig.parsed(body, at=NOW - timedelta(seconds=30)) == told

    def test_a_charge_made_by_others_names_no_attempt(self, rig: Rig) -> None:
        assert rig.parsed(rig.event("ch_of_it", None)).attempt_id is None

    def test_a_forged_webhook_is_refused(self, rig: Rig) -> None:
        body = rig.event("ch_of_it", new_id())

        with pytest.raises(WebhookSignatureInvalid):
            rig.parsed(body, secret="whsec_of_somebody_else")

    def test_a_changed_body_is_refused(self, rig: Rig) -> None:
        body = rig.event("ch_of_it", new_id())
        headers = rig.sign(body, rig.secret, NOW)

        for changed in (body.replace(b"ch_of_it", b"ch_of_us"), body + b" ", b"\xff" + body, b""):
            with pytest.raises(WebhookSignatureInvalid):
                rig.gateway.parse_webhook(headers, changed, NOW)

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_a_signature_is_good_for_five_minutes_either_way(self, rig: Rig, seconds: int) -> None:
        assert rig.parsed(rig.event("ch_of_it", None), at=NOW + timedelta(seconds=seconds)).gateway_id == "ch_of_it"

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_outside_its_window_a_signature_is_refused(self, rig: Rig, seconds: int) -> None:
        with pytest.raises(WebhookSignatureInvalid):
            rig.parsed(rig.event("ch_of_it", None), at=NOW + timedelta(seconds=seconds))

    @pytest.mark.parametrize(
        "header",
        ["", "t=,v1=", "v1=abc", "t=soon,v1=abc", "t=1800014400,v1=é", "t=1,t=2", ",,=,", "t=1800014400", "t=1e9,v1="],
    )
    def test_a_header_that_is_no_signature_is_refused(self, rig: Rig, header: str) -> None:
        body = rig.event("ch_of_it", None)
        name = next(iter(rig.sign(body, rig.secret, NOW)))

        with pytest.raises(WebhookSignatureInvalid):
            rig.gateway.parse_webhook({name: header}, body, NOW)
        with pytest.raises(WebhookSignatureInvalid):
            rig.gateway.parse_webhook({}, body, NOW)

    def test_a_second_time_in_the_header_does_not_make_it_young(self, rig: Rig) -> None:
        body = rig.event("ch_of_it", None)
        ((name, old),) = rig.sign(body, rig.secret, NOW - timedelta(hours=1)).items()
        for header in (f"{old},t={int(NOW.timestamp())}", f"t={int(NOW.timestamp())},{old}"):
            with pytest.raises(WebhookSignatureInvalid):
                rig.gateway.parse_webhook({name: header}, body, NOW)

    def test_without_a_secret_no_webhook_is_believed(self, rig: Rig) -> None:
        body = rig.event("ch_of_it", None)

        with pytest.raises(WebhookSignatureInvalid):
            rig.but(webhook_secret="").parse_webhook(rig.sign(body, "", NOW), body, NOW)

    @pytest.mark.parametrize("body", [b"[]", b"{}", b"not JSON"])
    def test_a_well_signed_body_of_another_kind_is_malformed(self, rig: Rig, body: bytes) -> None:
        with pytest.raises(WebhookMalformed):
            rig.parsed(body)

    # --- books -------------------------------------------------------------------------------------------------------
    def test_the_books_have_every_charge_with_its_money(self, rig: Rig) -> None:
        paid, held = rig.request(amount=reais("10.00")), rig.request(capture=False)
        declined = rig.request(token=next(iter(rig.declined)))
        charged = rig.gateway.charge(paid)
        for asked in (held, declined):
            rig.gateway.charge(asked)
        rig.gateway.refund(charged.gateway_id, new_id(), reais("2.50"), "returned")

        books = {each.attempt_id: each for each in rig.booked()}

        of_paid = books[paid.attempt_id]
        assert (of_paid.gateway_id, of_paid.status) == (charged.gateway_id, "captured")
        assert (of_paid.captured, of_paid.refunded) == (reais("10.00"), reais("2.50"))
        assert abs(datetime.now(UTC) - of_paid.created_at) < timedelta(minutes=1)
        assert (books[held.attempt_id].status, books[held.attempt_id].captured) == ("authorized", NOTHING)
        assert books[declined.attempt_id].status == "declined"

    def test_the_books_are_of_the_time_asked_for(self, rig: Rig) -> None:
        rig.charged()

        assert rig.booked(since=timedelta(minutes=-10), until=timedelta(minutes=-5)) == []

    def test_the_books_are_read_to_the_end(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = [rig.request(amount=reais("1.00")) for _ in range(5)]
        for each in asked:
            rig.gateway.charge(each)
        whole = {each.gateway_id for each in rig.booked()}
        monkeypatch.setattr(f"contexts.order.adapters.{rig.gateway.name}.PAGE", 2)

        booked = rig.booked()

        assert {each.gateway_id for each in booked} == whole
        assert {each.attempt_id for each in asked} <= {each.attempt_id for each in booked}

    # --- itself ------------------------------------------------------------------------------------------------------
    def test_it_says_what_it_can(self, rig: Rig) -> None:
        can = rig.gateway.capabilities

        assert can.methods >= can.authorizes
        assert can.methods
        assert 0 < len(rig.gateway.name) <= 20

    def test_it_shows_no_secret(self, rig: Rig) -> None:
        secrets = (rig.gateway.api_key, rig.secret)  # type: ignore[attr-defined]

        assert all(secrets)
        assert not any(secret in repr(rig.gateway) for secret in secrets)
