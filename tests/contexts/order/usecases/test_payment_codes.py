"""A gateway that gives codes which are not ours: no buyer is to pay by them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from contexts.order.adapters import SandboxGateway
from contexts.order.domain import boleto, br_code
from contexts.order.models import Order
from contexts.order.usecases import add_payment as adding
from contexts.order.usecases.pay import catch_up
from contexts.order.usecases.payment_codes import PaymentCodeRefused, check_codes
from ecommerce import clock
from ecommerce.ids import new_id
from tests.contexts.order.conftest import EVERYWHERE, brl, pay, status_of, stock_of, work
from tests.contexts.order.factories import NOON, OrderFactory, PaymentAttemptFactory
from tests.contexts.order.usecases.test_add_payment import pay_by
from tests.contexts.order.usecases.test_pay import BOLETO, PIX, charge_of

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

DUE = (NOON + timedelta(days=3)).date()
PAYS = br_code.BRCode(url="pix.example.com/qr/1", merchant="Loja", city="Recife", amount=brl("60.00"))
CODE = boleto.Boleto(bank="001", due=DUE, amount=brl("60.00"), free_field="7" * 25)


def digits(**changes) -> dict[str, str]:
    code = boleto.barcode(replace(CODE, **changes))
    return {"barcode": code, "linha_digitavel": boleto.printed(boleto.typeable_line(code))}


def falsified(monkeypatch, method: str, **changed: str) -> None:
    """Let the gateway's answers hold something else."""
    real = getattr(SandboxGateway, method)

    def answer(self, *args):
        result = real(self, *args)
        return replace(result, client_data={**result.client_data, **changed})

    monkeypatch.setattr(SandboxGateway, method, answer)


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        (PIX, {"br_code": br_code.encode(replace(PAYS, amount=brl("59.99")))}),
        (PIX, {"br_code": br_code.encode(PAYS)[:-1] + "z"}),
        (PIX, {"txid": "f" * 32}),
        (BOLETO, {"barcode": boleto.barcode(CODE)}),
    ],
    ids=["another amount", "damaged", "another transaction", "another boleto"],
)
def test_an_order_whose_code_is_not_ours_does_not_stand(shopper, shirt, psp, monkeypatch, method, changed):
    falsified(monkeypatch, "charge", **changed)
    answer = shopper.fill(shirt).check_out(method)
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_code_refused")
    order = Order.objects.get()
    [attempt] = order.payments.all()
    assert (order.status, attempt.status, stock_of(shirt)) == ("failed", "voided", (10, 0))
    assert not set(changed.values()) & set(attempt.client_data.values())
    assert psp.get(f"/v1/charges/{charge_of(psp, order)}").json()["status"] == "voided"


def test_a_code_that_was_shown_is_not_replaced_by_a_foreign_one(shopper, shirt, psp, monkeypatch):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    [attempt] = order.payments.all()
    shown = attempt.client_data
    falsified(monkeypatch, "fetch", br_code=br_code.encode(replace(PAYS, amount=brl("1.00"))), note="new")
    catch_up(attempt=attempt, now=clock.now())
    attempt.refresh_from_db()
    assert attempt.client_data == {**shown, "note": "new"}


@pytest.mark.parametrize("killed", [False, True])
def test_an_added_payment_whose_code_is_not_ours_is_let_go_and_the_order_waits_on(
    shopper, shirt, psp, monkeypatch, time_passes, killed
):
    order = shopper.order(shopper.fill(shirt).check_out(BOLETO))
    foreign = br_code.encode(replace(PAYS, amount=brl("59.99")))
    with monkeypatch.context() as patch:
        falsified(patch, "charge", br_code=foreign)
        if killed:
            patch.setattr(adding, "charge_attempt", lambda **_: None)
        answer = pay_by(shopper, order, PIX)
        assert answer.status_code == (202 if killed else 201)
        time_passes(seconds=adding.TAKEN_UP_AFTER.total_seconds() + 1)
        work()
    boleto_, pix = order.payments.order_by("position")
    assert (status_of(order), boleto_.status, pix.status) == ("awaiting_payment", "pending", "voided")
    assert foreign not in pix.client_data.values()
    pay(psp, boleto_)
    catch_up(attempt=boleto_, now=clock.now())
    work()
    assert status_of(order) == "confirmed"


@pytest.mark.parametrize(
    "client_data",
    [
        {}, {"url": "https://bank.example/boleto"}, {"br_code": br_code.encode(PAYS)}, digits(),
        {"barcode": digits()["barcode"]}, {"linha_digitavel": digits()["linha_digitavel"]},
        {**digits(), "due_date": DUE.isoformat(), "br_code": br_code.encode(replace(PAYS, amount=None))},
    ],
)  # fmt: skip
def test_what_is_ours_passes(client_data):
    check_codes(attempt=PaymentAttemptFactory.build(order=OrderFactory.build()), client_data=client_data)


@pytest.mark.parametrize(
    "client_data",
    [
        digits(amount=brl("61.00")), digits(due=DUE + timedelta(days=1)), {"barcode": ""},
        {**digits(), "due_date": (DUE + timedelta(days=1)).isoformat()}, {**digits(), "due_date": "amanhã"},
        {"linha_digitavel": "1" * 47}, {"txid": ""}, {"br_code": ""}, {"txid": new_id().hex.upper()[:26]},
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_not_ours_does_not(client_data):
    attempt = PaymentAttemptFactory.build(order=OrderFactory.build())
    with pytest.raises(PaymentCodeRefused):
        check_codes(attempt=attempt, client_data=client_data)


def test_the_interest_is_part_of_what_is_asked_for():
    attempt = PaymentAttemptFactory.build(
        order=OrderFactory.build(), amount=Decimal("50.00"), interest=Decimal("10.00")
    )
    check_codes(attempt=attempt, client_data={"br_code": br_code.encode(PAYS)})
