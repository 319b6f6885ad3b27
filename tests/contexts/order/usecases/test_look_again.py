"""A lost webhook: noticed within minutes, and at once by whoever looks at the order."""

from datetime import timedelta

import pytest

from contexts.order import adapters
from contexts.order.adapters import SandboxGateway
from contexts.order.models import PaymentAttempt
from contexts.order.usecases.look_again import ask_about_open_payments, look_again
from contexts.order.views.tokens import access_token
from ecommerce import clock
from tests.contexts.order.conftest import EVERYWHERE, booked, card, together, work
from tests.contexts.order.factories import PaymentAttemptFactory
from tests.contexts.order.usecases.test_pay import BOLETO, PIX, SIXTY, pay, status_of
from tests.contexts.order.usecases.test_receive_webhook import away

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture
def waiting(shopper, shirt):
    """An order that waits for its Pix."""
    return shopper.order(shopper.fill(shirt).check_out(PIX))


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The charges that the gateway is asked about."""
    seen, fetch = [], SandboxGateway.fetch

    def watched(self, gateway_id):
        seen.append(gateway_id)
        return fetch(self, gateway_id)

    monkeypatch.setattr(SandboxGateway, "fetch", watched)
    return seen


def look(shopper, order):
    answer = shopper.client.get(f"/api/v1/orders/{order.id}", headers={"X-Order-Token": access_token(order.id)})
    assert answer.status_code == 200
    return answer.json()


# --- the job ---------------------------------------------------------------------------------------------------------
def test_a_lost_webhook_of_a_pix_is_made_up_for_within_minutes(waiting, psp, time_passes):
    pay(psp, waiting)
    assert ask_about_open_payments(now=time_passes(seconds=119)) == 0
    assert ask_about_open_payments(now=time_passes(seconds=2)) == 1
    work()
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("pix", "capture", SIXTY)])


def test_money_that_is_held_on_purpose_is_asked_about_less_often(gateway):
    now = clock.now()
    PaymentAttemptFactory(method="card", status="authorized", captures_later=True, updated_at=now)
    assert ask_about_open_payments(now=now + timedelta(minutes=29)) == 0
    assert ask_about_open_payments(now=now + timedelta(minutes=30)) == 1


@pytest.mark.parametrize(
    ("method", "status", "minutes"),
    [("pix", "pending", 2), ("card", "requires_action", 5), ("boleto", "pending", 360), ("voucher", "unknown", 30)],
)
def test_each_method_may_be_silent_for_its_time(gateway, method, status, minutes):
    now = clock.now()
    PaymentAttemptFactory(method=method, status=status, updated_at=now)
    almost = now + timedelta(minutes=minutes, seconds=-1)
    assert ask_about_open_payments(now=almost) == 0
    assert ask_about_open_payments(now=now + timedelta(minutes=minutes)) == 1


def test_what_is_settled_is_not_asked_about(gateway):
    for status in ("created", "declined", "expired", "voided", "captured", "refunded"):
        PaymentAttemptFactory(method="pix", status=status)
    assert ask_about_open_payments(now=clock.now()) == 0


def test_asking_about_a_payment_that_is_still_open_leaves_its_saga_alone(waiting, time_passes):
    now = time_passes(minutes=5)
    assert [ask_about_open_payments(now=now) for _ in range(2)] == [1, 0]
    assert work() == 0
    assert ask_about_open_payments(now=time_passes(minutes=2)) == 1


def test_asking_ends_when_the_gateway_is_silent(waiting, shopper, shirt, time_passes, monkeypatch):
    shopper.order(shopper.fill(shirt).check_out(PIX))
    away(monkeypatch)
    assert ask_about_open_payments(now=time_passes(minutes=5)) == 0
    assert PaymentAttempt.objects.filter(asked_at__isnull=False).count() == 1


def test_a_silent_gateway_does_not_keep_the_others(gateway, monkeypatch, asked):
    for method, minutes in [("pix", 3), ("pix", 2), ("card", 1)]:
        at = clock.now() - timedelta(hours=1, minutes=minutes)
        PaymentAttemptFactory(method=method, status="pending", gateway="silent", gateway_id="ch_silent", updated_at=at)
    for method in ("pix", "card"):
        at = clock.now() - timedelta(hours=1)
        PaymentAttemptFactory(method=method, status="pending", gateway_id=f"ch_{method}", updated_at=at)
    gone = SandboxGateway(url="http://127.0.0.1:1", api_key="x", webhook_secret="whsec_test_sandbox")
    monkeypatch.setattr(adapters, "GATEWAYS", {"sandbox": lambda: gateway, "silent": lambda: gone})
    assert ask_about_open_payments(now=clock.now()) == 2
    assert asked == ["ch_silent", "ch_pix", "ch_card"]


def test_a_payment_that_the_gateway_does_not_know_does_not_keep_the_others(waiting, shopper, shirt, psp, time_passes):
    waiting.payments.update(gateway_id="ch_forgotten")
    paid = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, paid)
    assert ask_about_open_payments(now=time_passes(minutes=5)) == 2
    work()
    assert (status_of(waiting), status_of(paid)) == ("awaiting_payment", "confirmed")


def test_many_boletos_do_not_keep_a_pix_waiting(waiting, psp, time_passes, asked):
    now = time_passes(minutes=5)
    for _ in range(3):
        PaymentAttemptFactory(method="boleto", status="pending", gateway_id="ch_boleto")
    pay(psp, waiting)
    assert ask_about_open_payments(now=now, limit=1) == 2
    assert asked == [waiting.payments.get().gateway_id, "ch_boleto"]


def test_an_open_pix_still_lapses(waiting, time_passes):
    for _ in range(20):
        ask_about_open_payments(now=time_passes(minutes=2))
    work()
    assert status_of(waiting) == "cancelled"


# --- who looks at the order ------------------------------------------------------------------------------------------
def test_who_looks_at_the_order_sees_that_the_pix_was_paid(waiting, shopper, psp, time_passes):
    pay(psp, waiting)
    assert look(shopper, waiting)["payments"][0]["status"] == "pending"
    time_passes(seconds=15)
    assert look(shopper, waiting)["payments"][0]["status"] == "captured"
    work()
    assert (look(shopper, waiting)["status"], booked(waiting)) == ("confirmed", [("pix", "capture", SIXTY)])


def test_the_gateway_is_asked_every_15_seconds_at_most(waiting, shopper, time_passes, asked):
    for _ in range(12):
        time_passes(seconds=5)
        look(shopper, waiting)
    assert len(asked) == 4


def test_a_silent_gateway_keeps_nobody_from_their_order(waiting, shopper, time_passes, monkeypatch):
    away(monkeypatch)
    time_passes(seconds=20)
    assert look(shopper, waiting)["status"] == "awaiting_payment"
    assert waiting.payments.get().asked_at is not None


def test_nobody_asks_about_anything_but_an_open_pix(shopper, shirt, psp, time_passes, asked):
    orders = [
        shopper.order(shopper.fill(shirt).check_out(BOLETO)),
        shopper.order(shopper.fill(shirt).check_out(card())),
    ]
    paid = shopper.order(shopper.fill(shirt).check_out(PIX))
    paid.payments.update(status="captured")
    time_passes(minutes=1)
    for order in [*orders, paid]:
        look(shopper, order)
    assert asked == []


def test_looking_at_an_order_that_waits_for_nothing_writes_nothing(shopper, shirt, statements):
    order = shopper.order(shopper.fill(shirt).check_out(card()))
    look(shopper, order)
    with statements() as executed:
        look(shopper, order)
    assert len(executed) == 3
    assert not [sql for sql in executed if "UPDATE" in sql]


@pytest.mark.django_db(databases=EVERYWHERE, transaction=True)
def test_of_many_who_look_at_the_same_moment_one_asks(waiting, asked):
    [attempt] = waiting.payments.all()
    now = clock.now() + timedelta(seconds=15)
    answers = together([lambda: look_again(payments=[attempt], now=now)] * 8)
    assert (sorted(answers), len(asked)) == ([False] * 7 + [True], 1)


@pytest.mark.django_db(databases=EVERYWHERE, transaction=True)
def test_parallel_jobs_ask_about_different_payments(gateway, monkeypatch):
    for number in range(6):
        PaymentAttemptFactory(method="pix", status="pending", gateway_id=f"ch_{number}")
    assert sum(together([lambda: ask_about_open_payments(now=clock.now())] * 3)) == 6
