"""Returns: from the wish to the money, no more pieces than arrived, each of them once."""

from collections import Counter
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
from django.db import IntegrityError

from contexts.notification.models import Message
from contexts.order.domain.money_flow import NothingToRefund
from contexts.order.domain.returns import IllegalReturn
from contexts.order.events import (
    OrderDelivered,
    OrderShipped,
    ReturnApproved,
    ReturnReceived,
    ReturnRefused,
    ReturnRequested,
)
from contexts.order.models import DailySales, Order, OrderLine, Refund, ReturnRequest
from contexts.order.usecases.fulfil import ship_order, track_shipment
from contexts.order.usecases.refund import RefundRequest, refund_lines
from contexts.order.usecases.returns import (
    MoreThanReturned,
    ReturnNotFound,
    approve_return,
    receive_return,
    refund_return,
    refuse_return,
)
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.testing import drain, published
from tests.contexts.catalog.factories import on_sale
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    booked,
    brl,
    card,
    client_of,
    status_of,
    stock_of,
    together,
)
from tests.contexts.promotion.factories import DiscountFactory

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)
STAFF = "user:maria"


@pytest.fixture
def bought(shopper, shirt):
    """Three shirts for 150.00, and 10.00 for the freight."""
    return shopper.order(shopper.fill(shirt, quantity=3).check_out())


@pytest.fixture
def delivered(bought):
    deliver(bought)
    return bought


@pytest.fixture
def gift():
    """Ten caps for 20.00 each; one is free with a shirt."""
    DiscountFactory(kind="buy_x_get_y", percent=Decimal(100), buy_quantity=1, get_quantity=1)
    return on_sale(stock=10, price="20.00", name="Boné")


@pytest.fixture
def gifted(shopper, shirt, gift):
    """A cap for nothing and a shirt for 50.00, which are there, and 10.00 for the freight."""
    order = shopper.order(shopper.fill(gift, shirt).check_out())
    deliver(order)
    drain()
    assert [(line.variant_id, line.total) for line in order.lines.order_by("position")] == [
        (gift.id, Decimal("0.00")), (shirt.id, Decimal("50.00")),
    ]  # fmt: skip
    return order


def deliver(order, pieces=None):
    """Send pieces of the first line, or everything, and let it arrive now."""
    now = clock.now()
    quantities = pieces and {line_of(order).id: pieces}
    parcel = ship_order(
        order_id=order.id, carrier="C", tracking_code=uuid4().hex, quantities=quantities, actor=STAFF, now=now
    )
    track_shipment(
        shipment_id=parcel.id, status="delivered", description="", location="", at=now, actor=STAFF, now=now
    )  # fmt: skip


def line_of(order):
    return order.lines.get(position=0)


def ask(client, order, pieces=1, *, reason="withdrawal", key="", token=True, **changes):
    """Ask to give back so many pieces of the first line, as the guest who bought them."""
    body = {"lines": [{"line_id": str(line_of(order).id), "quantity": pieces}], "reason": reason, **changes}
    headers = {"Idempotency-Key": key or uuid4().hex, **({"X-Order-Token": access_token(order.id)} if token else {})}
    return client.post(f"/api/v1/orders/{order.id}/returns", body, headers=headers)


def asked(shopper, order, pieces=1, **how):
    """Ask, and return what was asked for."""
    answer = ask(shopper.client, order, pieces, **how)
    assert answer.status_code == 201, answer.content
    return ReturnRequest.objects.get(id=answer.json()["id"])


def move(use_case, request, **facts):
    return use_case(return_id=request.id, actor=STAFF, now=clock.now(), **facts)


def order_of(order):
    return Order.objects.get(id=order.id)


def counters(order):
    line = line_of(order)
    return line.delivered_quantity, line.returning_quantity, line.returned_quantity, line.refunded_quantity


def mails(kind):
    return [message.context for message in Message.objects.filter(kind=kind)]


# --- the whole way ---------------------------------------------------------------------------------------------------
def test_a_withdrawal_in_time_gives_everything_back_and_the_sellable_pieces_to_the_shelf(delivered, shopper, shirt):
    drain()
    request = asked(shopper, delivered, 3)
    assert (request.status, request.freight, counters(delivered)) == ("approved", True, (3, 3, 0, 0))
    assert [event.approved for event in published("order", ReturnRequested)] == [True]

    move(receive_return, request, sellable={line_of(delivered).id: 2})
    assert [line.quantity for line in published("order", ReturnReceived)[0].lines] == [2]
    drain()
    assert (stock_of(shirt), booked(delivered)[-1][1]) == ((9, 0), "capture")

    refund = move(refund_return, request)
    drain()
    request.refresh_from_db()
    assert (request.status, request.refund_id, refund.amount) == ("refunded", refund.id, Decimal("160.00"))
    assert sum(amount for _, kind, amount in booked(delivered) if kind == "refund") == Decimal("160.00")
    assert (status_of(delivered), stock_of(shirt), counters(delivered)) == ("delivered", (9, 0), (3, 0, 3, 3))
    assert mails("return_requested")[0]["approved"] is True
    assert mails("order_refunded")[0]["refunded"] == as_json(brl("160.00"))


def test_what_happened_is_in_the_timeline_and_not_among_the_states_that_the_buyer_tracks(delivered, shopper):
    request = asked(shopper, delivered, reason="defect")
    move(approve_return, request, answer="Leve aos Correios.")
    move(receive_return, request, sellable={})
    move(refund_return, request)
    told = [(one.to_status, one.actor) for one in delivered.timeline.order_by("version")][-4:]
    assert told == [
        ("return_requested", "guest"), ("return_approved", STAFF), ("return_received", STAFF),
        ("return_refunded", STAFF),
    ]  # fmt: skip
    url, headers = f"/api/v1/orders/{delivered.id}", {"X-Order-Token": access_token(delivered.id)}
    tracked = shopper.client.get(f"{url}/tracking", headers=headers).json()["timeline"]
    assert [one["status"] for one in tracked][-1] == "delivered"
    [shown] = shopper.client.get(f"{url}/returns", headers=headers).json()["results"]
    assert (shown["status"], shown["answer"], shown["lines"][0]["quantity"]) == ("refunded", "Leve aos Correios.", 1)


def test_the_answer_of_the_staff_is_mailed(delivered, shopper):
    fine, broken = asked(shopper, delivered, reason="defect"), asked(shopper, delivered, reason="other")
    move(approve_return, fine, answer="Código 123.")
    move(refuse_return, broken, answer="Foi usada.")
    assert [event.answer for event in published("order", ReturnApproved)] == ["Código 123."]
    assert [event.answer for event in published("order", ReturnRefused)] == ["Foi usada."]
    drain()
    assert [one["approved"] for one in mails("return_requested")] == [False, False]
    assert (mails("return_approved")[0]["answer"], mails("return_refused")[0]["answer"]) == (
        "Código 123.",
        "Foi usada.",
    )


def test_a_withdrawal_is_approved_by_law_and_answered_by_the_staff(delivered, shopper):
    request = asked(shopper, delivered)
    move(approve_return, request, answer="Código 123.")
    request.refresh_from_db()
    assert (request.status, request.answer) == ("approved", "Código 123.")
    drain()
    assert [one["answer"] for one in mails("return_approved")] == ["Código 123."]


def test_the_right_of_withdrawal_begins_when_the_rest_was_given_back_instead_of_sent(bought, shopper):
    deliver(bought, 2)
    assert (status_of(bought), order_of(bought).delivered_at) == ("partially_shipped", None)
    rest = RefundRequest(
        order_id=bought.id, pieces={line_of(bought).id: 1}, freight=False, restock=True, reason="sem estoque"
    )
    refund_lines(wanted=rest, actor=STAFF, claim=None, now=clock.now())
    assert status_of(bought) == "delivered"
    assert order_of(bought).delivered_at is not None
    assert (len(published("order", OrderShipped)), len(published("order", OrderDelivered))) == (1, 1)


def test_for_another_reason_the_freight_stays(delivered, shopper):
    request = asked(shopper, delivered, 3, reason="other")
    assert (request.status, move(refund_return, request).amount) == ("requested", Decimal("150.00"))


def test_staff_may_refund_at_once_and_nothing_comes_back_to_the_shelf(delivered, shopper, shirt):
    drain()
    assert move(refund_return, asked(shopper, delivered, 2, reason="damaged")).restock is False
    drain()
    assert (stock_of(shirt), counters(delivered)) == ((7, 0), (3, 0, 2, 2))


def test_refused_pieces_may_be_asked_for_again(delivered, shopper):
    move(refuse_return, asked(shopper, delivered, 3, reason="other"), answer="Não.")
    assert counters(delivered) == (3, 0, 0, 0)
    assert asked(shopper, delivered, 3, reason="other").status == "requested"


# --- what cost nothing ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["withdrawal", "defect"])
def test_a_return_of_pieces_that_cost_nothing_is_closed_without_a_refund(gifted, shopper, gift, reason, monkeypatch):
    request = asked(shopper, gifted, reason=reason)
    move(approve_return, request, answer="Código 123.")
    move(receive_return, request, sellable={line_of(gifted).id: 1})
    monkeypatch.setattr("contexts.order.adapters.GATEWAYS", {})
    assert move(refund_return, request) is None
    for again in (refund_return, partial(refuse_return, answer="Não.")):
        with pytest.raises(IllegalReturn):
            move(again, request)
    drain()
    request.refresh_from_db()
    assert (request.status, request.refund_id, counters(gifted)) == ("closed", None, (1, 0, 1, 1))
    assert (Refund.objects.count(), mails("order_refunded"), mails("return_refused")) == (0, [], [])
    assert [kind for _, kind, _ in booked(gifted)] == ["capture"]
    assert (status_of(gifted), stock_of(gift), DailySales.objects.get().refunded) == ("delivered", (10, 0), 0)
    noted = gifted.timeline.order_by("version").last()
    assert (noted.to_status, noted.actor) == ("return_closed", STAFF)


def test_the_rest_of_an_order_whose_free_piece_came_back_is_worth_what_was_paid(gifted, shopper):
    move(refund_return, asked(shopper, gifted))
    assert ask(shopper.client, gifted).json()["code"] == "nothing_to_return"
    paid = gifted.lines.get(position=1)
    request = asked(shopper, gifted, lines=[{"line_id": str(paid.id), "quantity": 1}])
    assert move(refund_return, request).amount == Decimal("60.00")
    assert status_of(gifted) == "delivered"


def test_free_pieces_go_back_with_those_that_were_paid(gifted, shopper):
    lines = [{"line_id": str(line.id), "quantity": 1} for line in gifted.lines.all()]
    request = asked(shopper, gifted, lines=lines)
    assert move(refund_return, request).amount == Decimal("60.00")
    request.refresh_from_db()
    assert (request.status, counters(gifted)) == ("refunded", (1, 0, 1, 1))


@pytest.mark.django_db(transaction=True, databases=EVERYWHERE)
def test_a_return_that_is_closed_twice_at_once_counts_its_pieces_once(gifted, shopper):
    request = asked(shopper, gifted)
    outcomes = together([lambda: move(refund_return, request)] * 4)
    assert sum(isinstance(one, IllegalReturn) for one in outcomes) == 3
    assert (outcomes.count(None), counters(gifted)) == (1, (1, 0, 1, 1))


# --- what is refused -------------------------------------------------------------------------------------------------
def test_after_seven_days_a_withdrawal_is_too_late_and_a_defect_is_not(delivered, shopper, time_passes):
    time_passes(days=13)
    late = ask(shopper.client, delivered)
    assert (late.status_code, late.json()["code"]) == (409, "withdrawal_too_late")
    assert asked(shopper, delivered, reason="defect").status == "requested"


def test_only_what_arrived_can_be_given_back(bought, shopper):
    assert ask(shopper.client, bought).json()["code"] == "nothing_to_return"
    deliver(bought, 2)
    refused = ask(shopper.client, bought, 3)
    assert (refused.status_code, refused.json()["lines"]) == (422, {str(line_of(bought).id): 2})
    assert asked(shopper, bought, 2).status == "approved"
    seen = shopper.client.get(f"/api/v1/orders/{bought.id}", headers={"X-Order-Token": access_token(bought.id)})
    assert seen.json()["lines"][0]["returnable_quantity"] == 0


def test_an_order_that_is_not_paid_returns_nothing(shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out({"method": "pix"}))
    refused = ask(shopper.client, order)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_returnable")


@pytest.mark.parametrize(
    "body", [{"lines": []}, {"reason": "boredom"}, {"note": "x" * 501}, {"lines": [{"line_id": str(new_id())}]}]
)
def test_a_wish_that_makes_no_sense_is_invalid(delivered, shopper, body):
    assert ask(shopper.client, delivered, **body).status_code == 400


def test_somebody_else_cannot_return_it_and_staff_may(delivered, shopper):
    assert ask(shopper.client, delivered, token=False).status_code == 404
    assert ask(client_of(new_id()), delivered, token=False).status_code == 404
    assert ask(client_of(None, "order.change_order"), delivered, token=False).status_code == 201


def test_a_repeated_request_is_answered_as_before(delivered, shopper):
    first, second = (ask(shopper.client, delivered, key="k").json() for _ in range(2))
    assert (first, ReturnRequest.objects.count(), counters(delivered)[1]) == (second, 1, 1)
    assert ask(shopper.client, delivered, 2, key="k").json()["code"] == "idempotency_key_reused"


def test_no_more_can_be_sold_again_than_came_back(delivered, shopper):
    request = asked(shopper, delivered, 2)
    with pytest.raises(MoreThanReturned):
        move(receive_return, request, sellable={line_of(delivered).id: 3})
    request.refresh_from_db()
    assert request.status == "approved"


def test_a_return_is_refunded_once_and_never_after_it_was_refused(delivered, shopper):
    request = asked(shopper, delivered)
    move(refund_return, request)
    with pytest.raises(IllegalReturn):
        move(refund_return, request)
    with pytest.raises(IllegalReturn):
        move(refuse_return, request, answer="Não.")
    with pytest.raises(ReturnNotFound):
        refund_return(return_id=new_id(), actor=STAFF, now=clock.now())
    assert [kind for _, kind, _ in booked(delivered)] == ["capture", "refund"]


def test_pieces_that_are_on_sale_again_are_not_refused(delivered, shopper):
    request = asked(shopper, delivered, 2, reason="other")
    move(approve_return, request, answer="Código 123.")
    move(receive_return, request, sellable={line_of(delivered).id: 1})
    with pytest.raises(IllegalReturn):
        move(refuse_return, request, answer="Foi usada.")
    request.refresh_from_db()
    assert (request.status, counters(delivered)) == ("received", (3, 2, 0, 0))


def test_pieces_on_their_way_back_are_not_refunded_otherwise(delivered, shopper):
    asked(shopper, delivered, 2)
    rest = RefundRequest(
        order_id=delivered.id, pieces={line_of(delivered).id: 2}, freight=True, restock=True, reason="defeito"
    )
    with pytest.raises(NothingToRefund):
        refund_lines(wanted=rest, actor=STAFF, claim=None, now=clock.now())


@pytest.mark.parametrize(
    "falsified",
    [{"returning_quantity": 4}, {"returned_quantity": 4}, {"delivered_quantity": 4},
     {"returning_quantity": 2, "refunded_quantity": 2}],
)  # fmt: skip
def test_the_database_refuses_more_returns_than_there_are_pieces(delivered, falsified):
    with pytest.raises(IntegrityError, match="order_lines_return"):
        OrderLine.objects.filter(order=delivered).update(**falsified)


# --- at the same moment ----------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True, databases=EVERYWHERE)
def test_of_many_wishes_at_once_as_many_are_taken_as_pieces_arrived(delivered, shopper):
    line = line_of(delivered)
    body = {"lines": [{"line_id": str(line.id), "quantity": 1}], "reason": "withdrawal"}

    def wish():
        headers = {"X-Order-Token": access_token(delivered.id), "Idempotency-Key": uuid4().hex}
        return shopper.client.post(f"/api/v1/orders/{delivered.id}/returns", body, headers=headers).status_code

    assert Counter(together([wish] * 8)) == {201: 3, 422: 5}
    assert counters(delivered) == (3, 3, 0, 0)


@pytest.mark.django_db(transaction=True, databases=EVERYWHERE)
def test_a_return_that_is_refunded_twice_at_once_pays_once(delivered, shopper):
    request = asked(shopper, delivered, 3)
    outcomes = together([lambda: move(refund_return, request)] * 4)
    assert sum(isinstance(one, IllegalReturn) for one in outcomes) == 3
    assert [amount for _, kind, amount in booked(delivered) if kind == "refund"] == [Decimal("160.00")]


# --- figures ---------------------------------------------------------------------------------------------------------
def test_refunds_and_interest_are_in_the_sales_of_the_day(shopper, shirt, settings):
    settings.INSTALMENT_MONTHLY_RATE, settings.FREE_INSTALMENTS = Decimal("2"), 1
    shopper.fill(shirt, quantity=3)
    plan = next(one for one in shopper.preview().json()["instalment_options"] if one["count"] == 3)
    order = shopper.order(shopper.check_out(card(instalments=3), expected_total=plan["total"]))
    deliver(order)
    drain()
    refund = move(refund_return, asked(shopper, order, 3))
    drain()
    sales = DailySales.objects.get()
    interest = Decimal(plan["interest"]["amount"])
    assert interest > 0
    assert (sales.revenue, sales.interest, sales.refunded) == (Decimal("160.00"), interest, refund.amount)
    assert refund.amount == Decimal("160.00") + interest
    [payment] = mails("order_confirmed")[0]["order"]["payments"]
    assert (payment["interest"], payment["instalments"]) == (plan["interest"], 3)
