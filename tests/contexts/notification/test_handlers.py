"""Every event that notification listens to, delivered as the consumer does it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.cart.events import CartAbandoned
from contexts.catalog.events import VariantBackInStock
from contexts.identity.events import UserRegistered
from contexts.notification.domain import email_key
from contexts.notification.models import Message, Preference
from contexts.order.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)
from contexts.order.interface import Order, OrderNotFound
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.testing import deliver
from tests.contexts.notification.factories import (
    NOW,
    ContactFactory,
    CustomerFactory,
    MessageFactory,
    OrderFactory,
    pix,
)
from tests.contexts.notification.neighbours import Neighbours

pytestmark = pytest.mark.django_db(databases=["notification"])


def confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id, number=order.number, customer_id=order.customer_id, cart_id=None, lines=[],
        total=order.total, coupon_code="", confirmed_at=NOW,
    )  # fmt: skip


def abandoned(cart_id: UUID) -> CartAbandoned:
    return CartAbandoned(
        cart_id=cart_id,
        last_activity_at=NOW - timedelta(hours=5),
        subtotal=Money(Decimal("149.70")),
        pieces=3,
        recovery_path="/carrinho/recuperar?token=abc",
    )


def allow(key: str, *, channel: str = "email", category: str = "marketing", allowed: bool = True) -> None:
    Preference.objects.create(recipient_key=key, channel=channel, category=category, allowed=allowed, updated_at=NOW)


def only_message() -> Message:
    return Message.objects.get()


def test_a_new_customer_is_welcomed_by_name_in_their_language(neighbours: Neighbours) -> None:
    customer = CustomerFactory(locale="en-US", name="Jane")
    neighbours.customers = [customer]

    deliver(UserRegistered(user_id=customer.id, locale="en"), to="notification", subject=customer.id)

    message = only_message()
    assert (message.kind, message.status, message.recipient, message.locale) == (
        "welcome",
        "queued",
        customer.email,
        "en",
    )
    assert message.context == {"name": "Jane"}
    assert message.recipient_key == f"customer:{customer.id}"
    assert message.about == str(customer.id)


def test_an_account_that_is_gone_by_now_is_recorded_but_not_written_to(neighbours: Neighbours) -> None:
    deliver(UserRegistered(user_id=new_id(), locale="pt-br"), to="notification")

    assert (only_message().status, only_message().reason) == ("suppressed", "no_address")


def test_an_order_that_waits_for_payment_is_told_how_to_pay(neighbours: Neighbours) -> None:
    order = OrderFactory(payments=[pix("000201PIX")])
    neighbours.orders = [order]

    deliver(OrderPlaced(order_id=order.id, number=order.number), to="notification", subject=order.id)

    message = only_message()
    assert (message.kind, message.about) == ("order_placed", str(order.id))
    assert message.context["order"]["payments"][0]["client_data"] == {"br_code": "000201PIX"}
    assert message.context["order"]["total"] == {"amount": "1124.70", "currency": "BRL"}
    assert "email" not in message.context["order"]
    assert "customer_id" not in message.context["order"]


def test_a_paid_order_is_confirmed_once_however_often_the_event_arrives(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]
    event_id = new_id()

    outcomes = [deliver(confirmed(order), to="notification", subject=order.id, event_id=event_id) for _ in range(5)]

    assert outcomes[0] == {"notification.tell_order_confirmed": "handled"}
    assert outcomes[1:] == 4 * [{"notification.tell_order_confirmed": "duplicate"}]
    assert only_message().kind == "order_confirmed"


def test_a_cancelled_order_says_whether_it_had_been_paid(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]

    deliver(
        OrderCancelled(order_id=order.id, number=order.number, reason="expired", was_confirmed=True),
        to="notification",
    )

    assert only_message().kind == "order_cancelled"
    assert only_message().context["was_confirmed"] is True


def test_a_cancelled_order_that_waited_says_so_too_if_money_had_come(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]

    deliver(
        OrderCancelled(order_id=order.id, number=order.number, reason="", was_confirmed=False, had_money=True),
        to="notification",
    )

    assert only_message().context["was_confirmed"] is True


def test_a_refund_says_how_much_comes_back_and_why(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]

    deliver(
        OrderRefunded(
            order_id=order.id,
            number=order.number,
            refund_id=new_id(),
            amount=Money(Decimal("54.88")),
            reason="riscado",
            lines=[],
            restock=False,
            refunded_at=NOW,
        ),
        to="notification",
    )

    message = only_message()
    assert (message.kind, message.context["reason"]) == ("order_refunded", "riscado")
    assert message.context["refunded"] == {"amount": "54.88", "currency": "BRL"}


def test_a_shipped_order_goes_by_sms_and_push_only_to_customers_who_asked(neighbours: Neighbours) -> None:
    wants, silent = CustomerFactory(phone="+5511987654321"), CustomerFactory(phone="+5511900000000")
    neighbours.customers = [wants, silent]
    neighbours.orders = [OrderFactory(customer_id=customer.id, email=customer.email) for customer in (wants, silent)]
    for channel in ("sms", "push"):
        allow(f"customer:{wants.id}", channel=channel, category="transactional")

    for order in neighbours.orders:
        deliver(
            OrderShipped(order_id=order.id, number=order.number, carrier="Correios", tracking_code="BR1"),
            to="notification",
        )

    rows = Message.objects.values_list("recipient_key", "channel", "recipient", "status")
    assert sorted(rows) == sorted(
        [
            (f"customer:{wants.id}", "email", wants.email, "queued"),
            (f"customer:{wants.id}", "sms", "+5511987654321", "queued"),
            (f"customer:{wants.id}", "push", str(wants.id), "queued"),
            (f"customer:{silent.id}", "email", silent.email, "queued"),
        ]
    )
    assert Message.objects.filter(context__tracking_code="BR1", context__carrier="Correios").count() == 4


def test_a_delivered_order_is_thanked_for(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]

    deliver(
        OrderDelivered(
            order_id=order.id, number=order.number, customer_id=None, product_ids=[new_id()], delivered_at=NOW
        ),
        to="notification",
    )

    assert only_message().kind == "order_delivered"


def test_an_order_without_an_address_is_recorded_as_not_sent(neighbours: Neighbours) -> None:
    order = OrderFactory(email="")
    neighbours.orders = [order]

    deliver(confirmed(order), to="notification")

    assert (only_message().status, only_message().reason) == ("suppressed", "no_address")
    assert only_message().next_attempt_at is None


def test_an_order_that_nobody_knows_is_an_error_and_leaves_no_trace(neighbours: Neighbours) -> None:
    order, event_id = OrderFactory(), new_id()
    with pytest.raises(OrderNotFound):
        deliver(confirmed(order), to="notification", event_id=event_id)
    assert not Message.objects.exists()

    neighbours.orders = [order]
    assert deliver(confirmed(order), to="notification", event_id=event_id) == {
        "notification.tell_order_confirmed": "handled"
    }


def test_a_replayed_event_is_recorded_but_not_sent(neighbours: Neighbours) -> None:
    order = OrderFactory()
    neighbours.orders = [order]

    deliver(confirmed(order), to="notification", replay="run-1")

    assert (only_message().status, only_message().reason) == ("suppressed", "replay")


@pytest.mark.parametrize(
    ("consent", "status", "expected"),
    [(True, "open", ("queued", "")), (False, "open", ("suppressed", "no_consent")),
     (True, "converted", ("suppressed", "outdated"))],
)  # fmt: skip
def test_a_reminder_needs_consent_and_an_open_cart(
    neighbours: Neighbours, consent: bool, status: str, expected: tuple[str, str]
) -> None:
    contact = ContactFactory(consent=consent, status=status)
    neighbours.contacts = [contact]

    deliver(abandoned(contact.cart_id), to="notification", subject=contact.cart_id)

    message = only_message()
    assert (message.status, message.reason) == expected
    assert (message.category, message.recipient) == ("marketing", contact.email)
    assert message.context["recovery_url"].endswith("/carrinho/recuperar?token=abc")
    assert message.context["subtotal"] == {"amount": "149.70", "currency": "BRL"}


def test_a_customers_cart_is_reminded_at_the_address_of_the_account(neighbours: Neighbours) -> None:
    customer = CustomerFactory()
    contact = ContactFactory(customer_id=customer.id, email="")
    neighbours.customers, neighbours.contacts = [customer], [contact]

    deliver(abandoned(contact.cart_id), to="notification")

    assert (only_message().recipient, only_message().context["name"]) == (customer.email, customer.name)


def test_a_refused_reminder_is_not_sent_also_when_the_guest_has_an_account_since(neighbours: Neighbours) -> None:
    customer = CustomerFactory()
    contact = ContactFactory(customer_id=customer.id, email="")
    neighbours.customers, neighbours.contacts = [customer], [contact]
    allow(email_key(customer.email), allowed=False)

    deliver(abandoned(contact.cart_id), to="notification")

    assert only_message().reason == "opted_out"


def test_marketing_stops_at_the_daily_cap(neighbours: Neighbours, settings: Any) -> None:
    settings.MARKETING_PER_DAY = 2
    contact = ContactFactory()
    neighbours.contacts = [contact]

    for _ in range(4):
        deliver(abandoned(contact.cart_id), to="notification")

    reasons = Message.objects.order_by("id").values_list("reason", flat=True)
    assert list(reasons) == ["", "", "frequency_cap", "frequency_cap"]


def test_yesterdays_and_unsent_marketing_does_not_count(neighbours: Neighbours, settings: Any) -> None:
    settings.MARKETING_PER_DAY = 1
    contact = ContactFactory()
    neighbours.contacts = [contact]
    old = {"recipient": contact.email, "kind": "cart_abandoned"}
    MessageFactory(status="failed", **old)
    MessageFactory(status="suppressed", reason="replay", **old)
    Message.objects.update(created_at=NOW + timedelta(days=3650))
    MessageFactory(status="sent", created_at=NOW - timedelta(days=3650), **old)

    deliver(abandoned(contact.cart_id), to="notification")

    assert Message.objects.order_by("-id")[0].status == "queued"


def test_everybody_who_asked_hears_that_a_variant_is_back(neighbours: Neighbours) -> None:
    neighbours.customers = CustomerFactory.create_batch(450)
    gone = new_id()
    event = VariantBackInStock(
        variant_id=new_id(), sku="CAM-1", product_name="Camiseta", product_slug="camiseta",
        customer_ids=[*(customer.id for customer in neighbours.customers), gone],
    )  # fmt: skip

    with CaptureQueriesContext(connections["notification"]) as queries:
        deliver(event, to="notification", subject=event.variant_id)

    assert neighbours.calls == 3 * ["get_customers"]
    assert len(statements(queries)) == 3
    assert Message.objects.filter(status="queued").count() == 450
    assert Message.objects.get(status="suppressed").recipient_key == f"customer:{gone}"


@pytest.mark.parametrize("kind", ["welcome", "order", "shipped", "cart"])
def test_a_handled_event_costs_few_statements(neighbours: Neighbours, kind: str) -> None:
    customer = CustomerFactory(phone="+5511987654321")
    order = OrderFactory(customer_id=customer.id)
    contact = ContactFactory(customer_id=customer.id)
    neighbours.customers, neighbours.orders, neighbours.contacts = [customer], [order], [contact]
    event = {
        "welcome": UserRegistered(user_id=customer.id, locale="pt-br"),
        "order": confirmed(order),
        "shipped": OrderShipped(order_id=order.id, number=order.number, carrier="c", tracking_code="t"),
        "cart": abandoned(contact.cart_id),
    }[kind]

    with CaptureQueriesContext(connections["notification"]) as queries:
        deliver(event, to="notification")

    # The inbox row, the wishes, the message; for marketing also the turn.
    assert len(statements(queries)) == (4 if kind == "cart" else 3), statements(queries)


def statements(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
