"""Partial refunds: what pieces are worth, given back once, whatever the gateway does."""

from decimal import Decimal
from itertools import permutations
from uuid import uuid4

import pytest

from contexts.notification.models import Message
from contexts.order.adapters import SandboxGateway
from contexts.order.events import OrderRefunded
from contexts.order.models import OrderLine, Refund
from contexts.order.usecases import refund as refunds
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.fulfil import NothingToShip, ship_order
from contexts.order.usecases.pay import catch_up
from contexts.order.usecases.refund import RefundRequest, refund_lines
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.testing import drain, published
from tests.contexts.catalog.factories import on_sale
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    at_gateway,
    booked,
    brl,
    card,
    client_of,
    saga_of,
    status_of,
    stock_of,
    together,
    voucher,
    work,
)

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture
def staff():
    return client_of(None, "order.add_refund")


@pytest.fixture
def bought(shopper, shirt):
    """Three shirts for 150.00, and 10.00 for the freight."""
    return shopper.order(shopper.fill(shirt, quantity=3).check_out())


def line_of(order, position=0):
    return order.lines.get(position=position)


def back(order, pieces, **how):
    """Let staff give back so many pieces of the first line, or of each line."""
    counts = pieces if isinstance(pieces, dict) else {line_of(order).id: pieces}
    facts = {"freight": True, "restock": True, "reason": "defeito", **how}
    request = RefundRequest(order_id=order.id, pieces=counts, **facts)
    return refund_lines(wanted=request, actor="user:staff", claim=None, now=clock.now())


def send(client, order, pieces=1, key="", **changes):
    body = {"lines": [{"line_id": str(line_of(order).id), "quantity": pieces}], "reason": "defeito", **changes}
    return client.post(f"/api/v1/orders/{order.id}/refunds", body, headers={"Idempotency-Key": key or uuid4().hex})


def refunded(order):
    return [amount for _, kind, amount in booked(order) if kind == "refund"]


# --- what it does ----------------------------------------------------------------------------------------------------
def test_pieces_go_back_with_their_share_of_the_freight(bought, shirt, psp, staff, shopper):
    drain()
    answer = send(staff, bought)
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert (document["status"], document["origin"], document["amount"]) == ("done", "staff", as_json(brl("53.34")))
    assert document["lines"][0]["freight"] == as_json(brl("3.34"))
    assert at_gateway(psp, bought.payments.get()) == ("captured", "160.00", "53.34")
    [event] = published("order", OrderRefunded)
    assert (event.amount, event.restock, [line.quantity for line in event.lines]) == (brl("53.34"), True, [1])
    drain()
    assert (status_of(bought), stock_of(shirt)) == ("confirmed", (8, 0))
    message = Message.objects.get(kind="order_refunded")
    assert (message.context["refunded"], message.context["reason"]) == (as_json(brl("53.34")), "defeito")
    headers = {"X-Order-Token": access_token(bought.id)}
    seen = shopper.client.get(f"/api/v1/orders/{bought.id}/refunds", headers=headers).json()["results"]
    assert [one["id"] for one in seen] == [document["id"]]
    assert shopper.client.get(f"/api/v1/orders/{bought.id}/refunds").status_code == 404


@pytest.mark.parametrize("pieces", [(1, 1, 1), (2, 1), (1, 2), (3,)])
def test_every_sequence_of_refunds_gives_back_what_was_captured(bought, psp, pieces):
    for count in pieces:
        back(bought, count)
    assert sum(refunded(bought)) == Decimal("160.00")
    assert at_gateway(psp, bought.payments.get()) == ("refunded", "160.00", "160.00")


def test_the_full_set_is_what_was_paid_after_every_discount(shopper, psp):
    """Lines of odd cents, in any order: each piece takes its own cents, the last one the rest."""
    for order_of_lines in permutations(range(3)):
        variants = [on_sale(stock=9, price=price) for price in ("0.03", "33.33", "7.77")]
        order = shopper.order(shopper.fill(*variants, quantity=2).check_out())
        lines = list(order.lines.order_by("position"))
        for position in order_of_lines:
            for _ in range(2):
                back(order, {lines[position].id: 1})
        assert sum(refunded(order)) == order.total


def test_the_freight_may_stay_with_the_shop(bought):
    assert back(bought, 3, freight=False).amount == Decimal("150.00")


def test_pieces_that_cannot_be_sold_again_stay_out_of_stock(bought, shirt):
    drain()
    back(bought, 2, restock=False)
    drain()
    assert stock_of(shirt) == (7, 0)


def test_the_last_payment_gives_back_first(shopper, shirt, psp):
    payments = voucher(amount=as_json(brl("100.00"))), card(amount=as_json(brl("60.00")))
    order = shopper.order(shopper.fill(shirt, quantity=3).check_out(*payments))
    back(order, 2)
    back(order, 1)
    assert [(method, amount) for method, kind, amount in booked(order) if kind == "refund"] == [
        ("card", Decimal("60.00")), ("voucher", Decimal("46.67")), ("voucher", Decimal("53.33")),
    ]  # fmt: skip


def test_cancelling_afterwards_gives_back_the_rest_of_money_and_pieces(bought, shirt, psp):
    back(bought, 1)
    drain()
    cancel_order(order_id=bought.id, reason="desisti", actor="guest", now=clock.now())
    work()
    drain()
    assert (status_of(bought), stock_of(shirt)) == ("cancelled", (10, 0))
    assert at_gateway(psp, bought.payments.get()) == ("refunded", "160.00", "160.00")


def test_pieces_that_were_given_back_are_not_sent(bought):
    back(bought, 1)
    shipped = {"order_id": bought.id, "carrier": "PAC", "actor": "user:staff", "now": clock.now()}
    with pytest.raises(NothingToShip):
        ship_order(**shipped, tracking_code="A", quantities={line_of(bought).id: 3})
    ship_order(**shipped, tracking_code="A", quantities=None)
    assert (status_of(bought), line_of(bought).shipped_quantity) == ("shipped", 2)
    back(bought, 2)
    line = line_of(bought)
    assert (line.refunded_quantity, line.withdrawn_quantity) == (3, 1)


# --- refusals --------------------------------------------------------------------------------------------------------
def test_more_pieces_than_there_are_left_are_refused(bought, staff):
    back(bought, 2)
    answer = send(staff, bought, 2)
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_refund")
    assert answer.json()["lines"] == {str(line_of(bought).id): 1}


def test_an_order_that_is_not_paid_gives_nothing_back(shopper, shirt, staff):
    order = shopper.order(shopper.fill(shirt).check_out({"method": "pix"}))
    answer = send(staff, order)
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_refundable")


def test_a_gateway_that_gives_back_all_or_nothing_is_not_asked_for_a_part(bought, staff, monkeypatch):
    whole = type(SandboxGateway.capabilities)(methods=frozenset(), partial_refund=False)
    monkeypatch.setattr(SandboxGateway, "capabilities", whole)
    answer = send(staff, bought)
    assert (answer.status_code, answer.json()["code"]) == (422, "partial_refund_unsupported")
    assert answer.json()["refundable"] == as_json(brl("160.00"))
    assert send(staff, bought, 3).status_code == 201


def test_only_staff_with_the_permission_gives_money_back(bought, customer):
    assert send(client_of(None, "order.change_order"), bought).status_code == 403
    assert send(customer.client, bought).status_code == 403


# --- once ------------------------------------------------------------------------------------------------------------
def test_a_repeated_request_refunds_once(bought, staff):
    first, second = (send(staff, bought, key="same") for _ in range(2))
    assert (first.status_code, second.status_code, second["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json() == second.json()
    assert send(staff, bought, 2, key="same").json()["code"] == "idempotency_key_reused"
    assert staff.post(f"/api/v1/orders/{bought.id}/refunds", {}).status_code in (400, 422)
    assert refunded(bought) == [Decimal("53.34")]


@pytest.mark.parametrize("lost", ["timeout_after", "timeout_before", "error_after", "error_before"])
def test_a_refund_without_an_answer_is_made_once(bought, staff, psp, time_passes, lost):
    psp.post("/control/behaviour", json={"kind": lost, "operation": "refund"})
    answer = send(staff, bought, key="same")
    assert (answer.status_code, answer.json()["status"]) == (202, "requested")
    time_passes(minutes=1)
    work()
    assert saga_of(bought, "REFUND_PART") == "COMPLETED"
    assert at_gateway(psp, bought.payments.get())[2] == "53.34"
    again = send(staff, bought, key="same")
    assert again.status_code in (201, 409)
    assert refunded(bought) == [Decimal("53.34")]


@pytest.mark.parametrize("step", ["pay_refund", "finish_refund"])
def test_killed_in_the_middle_it_is_finished_by_a_worker(bought, psp, time_passes, monkeypatch, step):
    class Killed(BaseException):
        pass

    def die(**kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"contexts.order.sagas.{step}", die)
        with pytest.raises(Killed):
            back(bought, 1)
    assert Refund.objects.get().status == "requested"
    time_passes(minutes=2)
    work()
    assert Refund.objects.get().status == "done"
    assert at_gateway(psp, bought.payments.get())[2] == "53.34"
    assert len(published("order", OrderRefunded)) == 1


def test_what_a_person_gave_back_at_the_gateway_meanwhile_is_not_given_twice(bought, psp):
    psp.post("/control/behaviour", json={"kind": "decline", "operation": "refund"})
    back(bought, 1)
    assert saga_of(bought, "REFUND_PART") == "PARKED"
    charge = bought.payments.get().gateway_id
    psp.post(f"/control/charges/{charge}/refund", json={"amount": "53.34"}).raise_for_status()
    refunds.pay_refund(refund_id=Refund.objects.get().id, now=clock.now())
    assert at_gateway(psp, bought.payments.get())[2] == "53.34"
    assert Refund.objects.count() == 1


@pytest.mark.django_db(databases=EVERYWHERE, transaction=True)
def test_refunds_at_the_same_moment_never_give_back_more_than_there_is(bought, psp):
    outcomes = together([lambda: back(bought, 1)] * 5)
    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, Exception)]
    assert refusals == ["nothing_to_refund"] * 2
    work()
    assert at_gateway(psp, bought.payments.get()) == ("refunded", "160.00", "160.00")
    assert OrderLine.objects.get(order=bought).refunded_quantity == 3


# --- by hand at the gateway ------------------------------------------------------------------------------------------
def test_a_refund_made_by_hand_at_the_gateway_is_seen(bought, psp, webhooks):
    attempt = bought.payments.get()
    psp.post(f"/control/charges/{attempt.gateway_id}/refund", json={"amount": "20.00"}).raise_for_status()
    catch_up(attempt=attempt, now=clock.now())
    work()
    refund = Refund.objects.get(order=bought)
    assert (refund.origin, refund.status, refund.amount, refund.actor) == (
        "gateway", "done", Decimal("20.00"), "gateway",
    )  # fmt: skip
    assert len(published("order", OrderRefunded)) == 1
    catch_up(attempt=attempt, now=clock.now())
    work()
    assert (Refund.objects.count(), refunded(bought)) == (1, [Decimal("20.00")])


def test_what_was_given_back_by_hand_can_no_longer_be_given_back_here(bought, psp, staff):
    attempt = bought.payments.get()
    psp.post(f"/control/charges/{attempt.gateway_id}/refund", json={"amount": "150.00"}).raise_for_status()
    catch_up(attempt=attempt, now=clock.now())
    answer = send(staff, bought)
    assert (answer.status_code, answer.json()["code"]) == (422, "refund_too_large")
    assert answer.json()["refundable"] == as_json(brl("10.00"))
