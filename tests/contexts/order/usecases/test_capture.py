"""Money that is only authorized at the checkout: captured before goods leave, let go when the order is cancelled."""

from dataclasses import replace
from decimal import Decimal

import pytest

from contexts.order.adapters import SandboxGateway
from contexts.order.domain.money_flow import NothingToRefund
from contexts.order.models import PaymentAttempt, StaffCase
from contexts.order.usecases import record
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.capture import CaptureFailed, PaymentUnclear, capture_order
from contexts.order.usecases.fulfil import ship_order
from contexts.order.usecases.pay import _request, catch_up, charge_attempt
from contexts.order.usecases.refund import RefundRequest, refund_lines
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.saga.definition import Step
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    at_gateway,
    booked,
    brl,
    card,
    saga_of,
    status_of,
    stock_of,
    voucher,
    work,
)

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

SIXTY = Decimal("60.00")


@pytest.fixture
def later(settings):
    settings.CAPTURE_LATER = frozenset({"card", "pix"})


@pytest.fixture
def reserved(later, shopper, shirt):
    """A confirmed order whose money is only authorized."""
    return shopper.order(shopper.fill(shirt).check_out())


def ship(order, code="BR1"):
    return ship_order(
        order_id=order.id, carrier="PAC", tracking_code=code, quantities=None, actor="user:staff", now=clock.now()
    )


# --- later -----------------------------------------------------------------------------------------------------------
def test_an_authorized_card_confirms_the_order_and_is_captured_when_it_is_sent(reserved, psp):
    assert (status_of(reserved), booked(reserved)) == ("confirmed", [("card", "authorize", SIXTY)])
    assert at_gateway(psp, reserved.payments.get())[0] == "authorized"
    ship(reserved)
    assert (status_of(reserved), booked(reserved)[1:]) == ("shipped", [("card", "capture", SIXTY)])
    assert at_gateway(psp, reserved.payments.get()) == ("captured", "60.00", "0.00")


def test_what_a_gateway_cannot_authorize_is_taken_at_once(later, shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out({"method": "pix"}))
    assert order.payments.get().captures_later is False


def test_cancelling_lets_the_authorization_go(reserved, shirt, psp):
    cancel_order(order_id=reserved.id, reason="desisti", actor="guest", now=clock.now())
    assert saga_of(reserved, "CANCEL_ORDER") == "COMPLETED"
    assert at_gateway(psp, reserved.payments.get())[0] == "voided"
    assert booked(reserved) == [("card", "authorize", SIXTY), ("card", "release", SIXTY)]


def test_a_voucher_taken_at_once_and_a_card_captured_later_pay_one_order(later, shopper, shirt, psp):
    shopper.fill(shirt)
    payments = voucher(amount=as_json(brl("10.00"))), card(amount=as_json(brl("50.00")))
    order = shopper.order(shopper.check_out(*payments))
    assert status_of(order) == "confirmed"
    ship(order)
    assert sorted(booked(order)) == [
        ("card", "authorize", Decimal("50.00")), ("card", "capture", Decimal("50.00")),
        ("voucher", "capture", Decimal("10.00")),
    ]  # fmt: skip


def test_giving_a_part_back_takes_the_whole_first(reserved, psp):
    request = RefundRequest(
        order_id=reserved.id, pieces={reserved.lines.get().id: 1}, freight=False, restock=True, reason="x"
    )
    refund_lines(wanted=request, actor="user:staff", claim=None, now=clock.now())
    assert at_gateway(psp, reserved.payments.get()) == ("captured", "60.00", "50.00")


@pytest.mark.parametrize("wrong", ["line", "pieces"])
def test_a_refund_that_is_refused_takes_nothing(reserved, psp, wrong):
    pieces = {new_id(): 1} if wrong == "line" else {reserved.lines.get().id: 2}
    request = RefundRequest(order_id=reserved.id, pieces=pieces, freight=False, restock=True, reason="x")
    with pytest.raises(NothingToRefund):
        refund_lines(wanted=request, actor="user:staff", claim=None, now=clock.now())
    assert at_gateway(psp, reserved.payments.get()) == ("authorized", "0.00", "0.00")


def test_an_authorization_that_is_not_needed_is_let_go(later, shopper, shirt, psp, settings):
    """A Pix and a card for the same order, and the Pix is paid when the card was authorized."""
    settings.CAPTURE_LATER = frozenset({"card"})
    order = shopper.order(shopper.fill(shirt).check_out({"method": "pix"}))
    pix = order.payments.get()
    card_attempt = PaymentAttempt(
        order=order, position=1, gateway="sandbox", method="card", amount=SIXTY, captures_later=True,
        instrument={"token": "tok_approved"}, expires_at=pix.expires_at, created_at=clock.now(), updated_at=clock.now(),
    )  # fmt: skip
    card_attempt.save(using="order", force_insert=True)
    catch_up(attempt=pix, now=clock.now())
    psp.post(f"/control/charges/{pix.gateway_id}/pay", json={"force": True}).raise_for_status()
    charge_attempt(attempt=card_attempt, now=clock.now())
    pix.refresh_from_db()
    catch_up(attempt=pix, now=clock.now())
    work()
    assert status_of(order) == "confirmed"
    ship(order)
    assert (at_gateway(psp, pix)[0], at_gateway(psp, card_attempt)[0]) == ("captured", "voided")


# --- when it fails ---------------------------------------------------------------------------------------------------
def test_nothing_leaves_the_house_when_the_bank_holds_the_money_no_longer(reserved, psp):
    charge = reserved.payments.get().gateway_id
    psp.post(f"/control/charges/{charge}/expire").raise_for_status()
    with pytest.raises(CaptureFailed) as refused:
        ship(reserved)
    assert refused.value.params["missing"] == brl("60.00")
    assert (status_of(reserved), reserved.payments.get().status) == ("confirmed", "expired")
    assert booked(reserved) == [("card", "authorize", SIXTY), ("card", "release", SIXTY)]


def test_nothing_leaves_the_house_once_it_is_known_that_the_authorization_lapsed(reserved, psp):
    attempt = reserved.payments.get()
    psp.post(f"/control/charges/{attempt.gateway_id}/expire").raise_for_status()
    catch_up(attempt=attempt, now=clock.now())
    for _ in range(2):
        with pytest.raises(CaptureFailed) as refused:
            ship(reserved)
        assert refused.value.params["missing"] == brl("60.00")
    assert (status_of(reserved), reserved.payments.get().status) == ("confirmed", "expired")


@pytest.mark.parametrize("found_by", ["asking", "shipping"])
def test_a_confirmed_order_that_loses_its_authorization_is_a_case_once(reserved, psp, found_by):
    attempt = reserved.payments.get()
    psp.post(f"/control/charges/{attempt.gateway_id}/expire").raise_for_status()
    for _ in range(2):
        if found_by == "asking":
            catch_up(attempt=attempt, now=clock.now())
        else:
            with pytest.raises(CaptureFailed):
                ship(reserved)
    case = StaffCase.objects.get()
    assert (case.kind, case.status, case.attempt_id) == ("authorization_lost", "open", attempt.id)
    assert (case.amount, case.facts["shop"]) == (-SIXTY, {"missing": "60.00 BRL"})


def test_of_an_order_that_is_paid_in_another_way_nothing_is_missed(later, shopper, shirt, psp):
    shopper.fill(shirt)
    order = shopper.order(shopper.check_out(card(amount=as_json(brl("10.00"))), card(amount=as_json(brl("50.00")))))
    ship(order)
    assert (status_of(order), StaffCase.objects.count()) == ("shipped", 0)


@pytest.mark.parametrize("known", [True, False])
def test_of_two_payments_one_that_lapsed_keeps_the_goods_in_the_house(later, shopper, shirt, psp, known):
    shopper.fill(shirt)
    order = shopper.order(shopper.check_out(card(amount=as_json(brl("10.00"))), card(amount=as_json(brl("50.00")))))
    lapsed, held = order.payments.order_by("position")
    psp.post(f"/control/charges/{lapsed.gateway_id}/expire").raise_for_status()
    if known:
        catch_up(attempt=lapsed, now=clock.now())
    for _ in range(2):
        with pytest.raises(CaptureFailed) as refused:
            ship(order)
        assert refused.value.params["missing"] == brl("10.00")
    assert (status_of(order), at_gateway(psp, held)) == ("confirmed", ("captured", "50.00", "0.00"))


def test_pieces_that_were_not_paid_for_are_not_given_back(reserved, psp):
    attempt = reserved.payments.get()
    psp.post(f"/control/charges/{attempt.gateway_id}/expire").raise_for_status()
    catch_up(attempt=attempt, now=clock.now())
    request = RefundRequest(
        order_id=reserved.id, pieces={reserved.lines.get().id: 1}, freight=False, restock=True, reason="x"
    )
    with pytest.raises(CaptureFailed):
        refund_lines(wanted=request, actor="user:staff", claim=None, now=clock.now())


def test_without_an_answer_nothing_leaves_and_the_money_is_taken_once(reserved, psp, monkeypatch):
    capture = SandboxGateway.capture

    def unheard(self, *args):
        capture(self, *args)
        raise record.adapters.OutcomeUnknown("lost")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "capture", unheard)
        with pytest.raises(PaymentUnclear):
            ship(reserved)
    assert status_of(reserved) == "confirmed"
    ship(reserved)
    assert (status_of(reserved), booked(reserved)[1:]) == ("shipped", [("card", "capture", SIXTY)])


def test_an_order_that_was_cancelled_is_not_captured(reserved, psp):
    cancel_order(order_id=reserved.id, reason="desisti", actor="guest", now=clock.now())
    capture_order(order_id=reserved.id, now=clock.now())
    assert at_gateway(psp, reserved.payments.get())[1] == "0.00"


def only_authorizing(request):
    return lambda attempt: replace(request(attempt), capture=False)


# --- what gateways do unasked ----------------------------------------------------------------------------------------
def test_a_card_that_is_only_authorized_though_it_was_to_be_charged_is_captured(shopper, shirt, psp, monkeypatch):
    monkeypatch.setattr("contexts.order.usecases.pay._request", only_authorizing(_request))
    order = shopper.order(shopper.fill(shirt).check_out())
    assert (status_of(order), at_gateway(psp, order.payments.get())) == ("confirmed", ("captured", "60.00", "0.00"))


def test_a_part_of_the_money_does_not_confirm_an_order(shopper, shirt, psp, monkeypatch):
    """The bank lets the gateway take less than was asked: the order fails, and the part goes back."""
    monkeypatch.setattr("contexts.order.usecases.pay._request", only_authorizing(_request))
    capture = SandboxGateway.capture
    monkeypatch.setattr(SandboxGateway, "capture", lambda self, id_, key, _: capture(self, id_, key, brl("20.00")))
    answer = shopper.fill(shirt).check_out()
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_incomplete")
    attempt = PaymentAttempt.objects.get()
    assert (attempt.order.status, stock_of(shirt)) == ("failed", (10, 0))
    assert at_gateway(psp, attempt) == ("refunded", "20.00", "20.00")


def slow(act, time_passes):
    """Make a gateway take as long as a step of a saga has."""

    def acting(*args, **kwargs):
        result = act(*args, **kwargs)
        time_passes(seconds=Step("any").within.total_seconds() + 1)
        return result

    return acting


def test_a_slow_gateway_is_asked_in_several_runs(shopper, shirt, psp, monkeypatch, time_passes):
    """The lease of a step is not longer than its payments may take together."""
    for name in ("charge", "refund"):
        monkeypatch.setattr(SandboxGateway, name, slow(getattr(SandboxGateway, name), time_passes))
    shopper.fill(shirt)
    payments = [voucher(f"VALE-{number}", amount=as_json(brl("20.00"))) for number in range(3)]
    order = shopper.order(shopper.check_out(*payments), 202)
    assert len(booked(order)) == 1
    time_passes(minutes=1)
    work()
    time_passes(minutes=1)
    work()
    assert (status_of(order), len(booked(order))) == ("confirmed", 3)
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    for _ in range(3):
        time_passes(minutes=5)
        work()
    assert (saga_of(order, "CANCEL_ORDER"), len(booked(order))) == ("COMPLETED", 6)
