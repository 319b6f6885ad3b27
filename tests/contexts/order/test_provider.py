from decimal import Decimal

import pytest

from contexts.order.interface import OrderInterface
from contexts.order.usecases.fulfil import ship_order
from contexts.order.views.tokens import code_token
from ecommerce.calls import connect
from ecommerce.errors import TooMany
from ecommerce.ids import new_id
from ecommerce.money import Money
from tests.contexts.order.factories import NOON, OrderFactory, PaymentAttemptFactory

pytestmark = pytest.mark.django_db(databases=["order"])

orders = connect(OrderInterface)


def test_an_order_as_messages_show_it(settings):
    settings.CALLS_ROUND_TRIP = True
    order = OrderFactory(status="confirmed", customer_id=new_id(), quantities=[2, 1])
    first = order.lines.order_by("position")[0]
    ship_order(order_id=order.id, carrier="C", tracking_code="BR1", quantities={first.id: 1}, actor="x", now=NOON)
    PaymentAttemptFactory(order=order, method="boleto", status="pending", client_data={"linha_digitavel": "1"})
    [found] = orders.get_orders(ids=[order.id])
    assert (found.number, found.status, found.recipient) == (order.number, "partially_shipped", "Ana")
    assert (found.total, found.shipping, found.customer_id) == (
        Money(Decimal("60.00")), Money(Decimal("10.00")), order.customer_id,
    )  # fmt: skip
    assert [(line.sku, line.quantity) for line in found.lines] == [
        (line.sku, line.quantity) for line in order.lines.order_by("position")
    ]
    assert [(payment.method, payment.client_data) for payment in found.payments] == [
        ("boleto", {"linha_digitavel": "1"}),
    ]
    assert found.tracking_codes == ["BR1"]


def test_a_message_leads_to_what_is_paid_by(settings):
    settings.PUBLIC_URL = "https://loja.example"
    order = OrderFactory(status="awaiting_payment")
    codes = [{"br_code": "x"}, {"barcode": "1"}, {"barcode": "1", "url": "https://bank.example/1"}, {}]
    made = [
        PaymentAttemptFactory(order=order, position=position, status="pending", client_data=said)
        for position, said in enumerate(codes)
    ]
    PaymentAttemptFactory(order=order, position=4, status="captured", client_data={"br_code": "x"})
    [found] = orders.get_orders(ids=[order.id])
    links = [
        f"https://loja.example/api/v1/payments/{payment.id}/{name}?token={code_token(payment.id)}"
        for payment, name in zip(made, ("qr.png", "boleto"), strict=False)
    ]
    assert [payment.client_data for payment in found.payments] == [
        {"br_code": "x", "qr_url": links[0]}, {"barcode": "1", "url": links[1]}, codes[2], {}, {"br_code": "x"},
    ]  # fmt: skip


def test_unknown_orders_are_left_out_and_the_price_is_the_same_for_many(statements):
    counts = []
    for size in (1, 10):
        ids = [OrderFactory(quantities=[1]).id for _ in range(size)]
        with statements("order") as executed:
            found = orders.get_orders(ids=[*ids, new_id()])
        assert {order.id for order in found} == set(ids)
        counts.append(len(executed))
    assert counts[0] == counts[1] == 1


def test_nobody_asks_for_more_than_fifty():
    with pytest.raises(TooMany, match="50"):
        orders.get_orders(ids=[new_id()] * 51)
