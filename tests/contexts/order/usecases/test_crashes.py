"""The process dies somewhere in a purchase; a worker takes over. Afterwards money equals goods."""

from decimal import Decimal

import pytest
from django.db import connections

from contexts.order import sagas
from contexts.order.adapters import SandboxGateway
from contexts.order.models import Order
from contexts.order.usecases.cancel_order import cancel_order
from ecommerce import clock
from ecommerce.saga import engine
from ecommerce.testing import drain
from tests.contexts.order.conftest import EVERYWHERE, as_json, booked, brl, card, saga_of, stock_of, work
from tests.contexts.order.usecases.test_pay import PIX, SIXTY, charge_of, status_of

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

STEPS = 4
"""What CREATE_ORDER does after its order is written, when there is no coupon to redeem."""


class Killed(BaseException):
    """Nothing catches this, as nothing would catch SIGKILL."""


@pytest.fixture
def dies(monkeypatch):
    """Let the process die when it writes progress for the n-th time, before or after the row is there."""

    def arrange(number: int, *, written: bool) -> None:
        progress, count = engine._progress, [0]

        def die(*args, **kwargs):
            count[0] += 1
            if count[0] == number and not written:
                raise Killed
            progress(*args, **kwargs)
            if count[0] == number and written:
                raise Killed

        monkeypatch.setattr(engine, "_progress", die)

    return arrange


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_killed_at_any_step_the_purchase_is_completed_once(shopper, shirt, psp, dies, time_passes, number, written):
    shopper.fill(shirt)
    body = shopper.body()
    dies(number, written=written)
    with pytest.raises(Killed):
        shopper.send(body)
    time_passes(seconds=61)
    work()
    drain()
    order = Order.objects.get()
    assert (order.status, saga_of(order), booked(order)) == ("confirmed", "COMPLETED", [("card", "capture", SIXTY)])
    assert (stock_of(shirt), shopper.cart_status()) == ((9, 0), "converted")
    charge_of(psp, order)


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
def test_killed_at_any_step_a_refused_purchase_leaves_nothing(shopper, shirt, psp, dies, time_passes, number, written):
    shopper.fill(shirt)
    body = shopper.body(card("tok_declined"))
    dies(number, written=written)
    with pytest.raises(Killed):
        shopper.send(body)
    time_passes(seconds=61)
    work()
    order = Order.objects.get()
    assert (order.status, saga_of(order), booked(order)) == ("failed", "COMPENSATED", [])
    assert (stock_of(shirt), shopper.cart_status()) == ((10, 0), "open")


def test_killed_right_after_the_charge_the_card_is_not_charged_again(shopper, shirt, psp, time_passes, monkeypatch):
    shopper.fill(shirt)
    body = shopper.body()

    def die(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("contexts.order.usecases.pay.record", die)
        with pytest.raises(Killed):
            shopper.send(body)
    assert Order.objects.get().payments.get().status == "created"
    time_passes(seconds=61)
    work()
    order = Order.objects.get()
    assert (order.status, booked(order)) == ("confirmed", [("card", "capture", SIXTY)])
    charge_of(psp, order)


def test_who_repeats_a_request_that_was_cut_off_learns_what_became_of_it(
    shopper, shirt, psp, dies, time_passes, monkeypatch
):
    shopper.fill(shirt)
    body = shopper.body()
    dies(2, written=True)
    with pytest.raises(Killed):
        shopper.send(body, key="k")
    again = shopper.send(body, key="k")
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_in_flight")
    _let_lock_lapse()
    pending = shopper.send(body, key="k")
    assert (pending.status_code, pending.json()["status"]) == (202, "pending")
    time_passes(seconds=61)
    work()
    done = shopper.send(body, key="k")
    assert (done.status_code, done.json()["status"]) == (201, "confirmed")
    assert shopper.send(body, key="k")["Idempotency-Replayed"] == "true"
    assert Order.objects.count() == 1


def test_who_repeats_a_request_that_was_cut_off_and_refused_learns_why(shopper, shirt, psp, dies, time_passes):
    shopper.fill(shirt)
    body = shopper.body(card("tok_declined"))
    dies(2, written=True)
    with pytest.raises(Killed):
        shopper.send(body, key="k")
    time_passes(seconds=61)
    work()
    _let_lock_lapse()
    answer = shopper.send(body, key="k")
    assert (answer.status_code, answer.json()["code"], answer.json()["decline_code"]) == (
        402, "payment_declined", "do_not_honor",
    )  # fmt: skip
    assert answer["Content-Type"] == "application/problem+json"


def test_who_lost_the_lease_answers_with_how_the_order_stands(shopper, shirt, psp, monkeypatch, time_passes):
    """A web process stalls in the middle of a purchase; a worker refuses the order meanwhile."""
    shopper.fill(shirt)
    body = shopper.body(card("tok_declined"))
    real = sagas.charge_order

    def stall(**kwargs):
        monkeypatch.setattr(sagas, "charge_order", real)
        time_passes(seconds=61)
        work()
        return real(**kwargs)

    monkeypatch.setattr(sagas, "charge_order", stall)
    answer = shopper.send(body)
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")


def test_a_slow_gateway_uses_up_the_time_of_a_step_and_not_its_lease(shopper, shirt, psp, monkeypatch, time_passes):
    """With no time left the second payment is not begun; a later attempt goes on there and repeats nothing."""
    shopper.fill(shirt)
    body = shopper.body(card(amount=as_json(brl("20.00"))), card(amount=as_json(brl("40.00"))))
    charge = SandboxGateway.charge

    def slowly(*args, **kwargs):
        result = charge(*args, **kwargs)
        time_passes(seconds=46)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "charge", slowly)
        assert shopper.send(body).status_code == 202
    order = Order.objects.get()
    assert [attempt.status for attempt in order.payments.order_by("position")] == ["captured", "created"]
    time_passes(seconds=2)
    work()
    assert (status_of(order), saga_of(order)) == ("confirmed", "COMPLETED")
    assert booked(order) == [("card", "capture", Decimal("20.00")), ("card", "capture", Decimal("40.00"))]


@pytest.mark.parametrize("written", [False, True])
def test_killed_while_cancelling_the_money_goes_back_once(shopper, shirt, psp, dies, time_passes, written):
    order = shopper.order(shopper.fill(shirt).check_out())
    dies(1, written=written)
    with pytest.raises(Killed):
        cancel_order(order_id=order.id, reason="x", actor="guest", now=clock.now())
    time_passes(seconds=61)
    work()
    assert (status_of(order), saga_of(order, "CANCEL_ORDER")) == ("cancelled", "COMPLETED")
    assert booked(order) == [("card", "capture", SIXTY), ("card", "refund", SIXTY)]


def test_killed_before_waiting_a_pix_is_made_once(shopper, shirt, psp, dies, time_passes):
    shopper.fill(shirt)
    body = shopper.body(PIX)
    dies(2, written=False)
    with pytest.raises(Killed):
        shopper.send(body)
    time_passes(seconds=61)
    work()
    order = Order.objects.get()
    assert (order.status, saga_of(order)) == ("awaiting_payment", "WAITING")
    charge_of(psp, order)


def _let_lock_lapse() -> None:
    with connections["order"].cursor() as cursor:
        cursor.execute("UPDATE idempotency_keys SET locked_until = created_at - interval '1 second'")
