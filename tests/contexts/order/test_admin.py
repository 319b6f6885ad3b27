"""Orders in the back office."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from contexts.order.models import (
    DailySales,
    LedgerEntry,
    Order,
    OrderLine,
    Refund,
    RefundLine,
    RefundShare,
    ReturnLine,
    ReturnRequest,
    Shipment,
    ShippingMethod,
    ShippingRate,
    WebhookEvent,
)
from contexts.order.usecases.fulfil import ship_order, track_shipment
from ecommerce import clock
from ecommerce.saga.models import SagaInstance
from tests.contexts.identity.factories import UserFactory
from tests.contexts.order.conftest import EVERYWHERE, booked, card, saga_of, stock_of
from tests.contexts.order.factories import (
    NOON,
    OrderFactory,
    PaymentAttemptFactory,
    ShippingMethodFactory,
    ShippingRateFactory,
    StaffCaseFactory,
)

pytestmark = pytest.mark.django_db(databases=["identity", "order"])

LISTS = [
    "order",
    "paymentattempt",
    "ledgerentry",
    "shipment",
    "webhookevent",
    "shippingmethod",
    "dailysales",
    "staffcase",
    "refund",
    "returnrequest",
]


@pytest.fixture
def staff() -> Client:
    return logged_in(is_superuser=True)


def logged_in(*permissions: str, **values: Any) -> Client:
    user = UserFactory(is_staff=True, **values)
    for name in permissions:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="order", codename=name))
    client = Client()
    client.force_login(user)
    return client


def url(page: str, *args: object) -> str:
    return reverse(f"admin:order_{page}", args=args)


def text_of(answer: Any) -> str:
    return " ".join(strip_tags(answer.content.decode()).split())


def eventful_order(number: int = 1) -> Order:
    """An order with something of everything, ``number`` times."""
    order = OrderFactory(status="pending", quantities=[1] * number)
    order.confirm(now=NOON)
    order.save_change()
    for position in range(number):
        attempt = PaymentAttemptFactory(order=order, position=position, status="captured", gateway_id=f"ch_{position}")
        LedgerEntry.objects.create(attempt=attempt, kind="capture", amount=Decimal("60.00"), reference="x", at=NOON)
        WebhookEvent.objects.create(
            gateway="sandbox", event_id=f"evt-{attempt.id}", event_type="charge.captured", gateway_id="ch",
            attempt_id=attempt.id, body="{}", received_at=NOON, due_at=NOON,
        )  # fmt: skip
        refund = Refund.objects.create(
            order=order, origin="staff", amount=Decimal("1.00"), actor="user:joao", reason="riscado", requested_at=NOON
        )
        RefundShare.objects.create(refund=refund, attempt=attempt, amount=Decimal("1.00"))
        ReturnRequest.objects.create(
            order=order, status="refused", reason="other", note="largo", freight=False, answer="usada", actor="guest",
            requested_at=NOON, changed_at=NOON,
        )  # fmt: skip
    for line in list(order.lines.all()):
        RefundLine.objects.create(refund=refund, order_line=line, quantity=1, amount=1, freight=0)
        parcel = ship_order(
            order_id=order.id, carrier="Correios", tracking_code=str(line.id), quantities={line.id: 1},
            actor="user:joao", now=NOON,
        )  # fmt: skip
        track_shipment(
            shipment_id=parcel.id, status="in_transit", description="", location="Curitiba", at=NOON, actor="x",
            now=NOON,
        )  # fmt: skip
    return order


# --- looking ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", LISTS)
def test_the_statements_of_a_list_do_not_depend_on_its_rows(staff, statements, page):
    counts = []
    for number in (1, 4):
        for _ in range(number):
            eventful_order(2)
            ShippingRateFactory(method=ShippingMethodFactory())
            StaffCaseFactory(attempt=PaymentAttemptFactory())
            DailySales.objects.get_or_create(day=NOON.date() + timedelta(days=DailySales.objects.count()))
        with statements("order") as executed:
            assert staff.get(url(f"{page}_changelist")).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 5


def test_the_statements_of_an_order_do_not_depend_on_what_happened_to_it(staff, statements):
    counts = []
    for number in (1, 5):
        order = eventful_order(number)
        with statements("order") as executed:
            assert staff.get(url("order_change", order.id)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 17


def test_the_page_of_an_order_tells_its_whole_story(staff):
    page = text_of(staff.get(url("order_change", eventful_order().id)))
    for part in (
        "pending → confirmed", "confirmed → shipped", "user:joao", "entrada 60.00 BRL", "cartão de crédito",
        "da loja 1.00 BRL", "riscado", "Correios", "em trânsito", "Curitiba", "charge.captured", "Camiseta",
        "outro motivo (recusada)",
        "largo – usada",
    ):  # fmt: skip
        assert part in page


@pytest.mark.django_db(databases=EVERYWHERE)
def test_the_story_holds_the_steps_of_its_sagas_in_order(staff, shopper, shirt):
    shopper.fill(shirt).check_out(card("tok_declined"))
    page = text_of(staff.get(url("order_change", Order.objects.get().id)))
    told = [
        "CREATE_ORDER: reserve_inventory (ida)",
        "CREATE_ORDER: process_payment (ida)",
        "(volta)",
        "pending → failed",
    ]
    places = [page.index(part) for part in told]
    assert places == sorted(places)
    assert "recusado – do_not_honor" in page


@pytest.mark.django_db(databases=EVERYWHERE)
def test_the_page_of_an_order_leads_to_the_pictures_of_its_sagas(staff, shopper, shirt):
    shopper.fill(shirt).check_out()
    page = staff.get(url("order_change", Order.objects.get().id)).content.decode()
    picture = reverse(
        "admin:saga_sagainstance_change",
        args=[SagaInstance.objects.using("order").get().id],
        query={"context": "order"},
    )
    assert f'href="{picture}"' in page
    assert "saga-timeline" in staff.get(picture).content.decode()


def test_no_page_shows_tokens_or_the_payers_document(staff):
    order = OrderFactory(address_snapshot={"recipient": "Ana", "payer": {"tax_id": "39053344705"}})
    attempt = PaymentAttemptFactory(order=order, instrument={"token": "tok_secret"})
    for page in (url("order_change", order.id), url("paymentattempt_change", attempt.id)):
        content = staff.get(page).content.decode()
        assert "tok_secret" not in content
        assert "39053344705" not in content


@pytest.mark.parametrize("page", ["paymentattempt", "ledgerentry", "refund", "shipment", "webhookevent"])
def test_every_row_has_a_page(staff, page):
    order = eventful_order()
    rows: dict[str, Callable[[], Any]] = {
        "paymentattempt": order.payments.get,
        "ledgerentry": LedgerEntry.objects.get,
        "refund": Refund.objects.get,
        "shipment": order.shipments.get,
        "webhookevent": WebhookEvent.objects.get,
    }
    row = rows[page]()
    assert staff.get(url(f"{page}_change", row.pk)).status_code == 200
    assert staff.post(url(f"{page}_change", row.pk), {"status": "x"}).status_code == 403
    assert staff.post(url(f"{page}_delete", row.pk), {"post": "yes"}).status_code == 403
    assert staff.get(url(f"{page}_add")).status_code == 403


def test_an_order_cannot_be_edited_or_deleted_by_hand(staff):
    order = OrderFactory()
    assert staff.post(url("order_change", order.id), {"status": "delivered"}).status_code == 403
    assert staff.post(url("order_delete", order.id), {"post": "yes"}).status_code == 403
    assert Order.objects.get(id=order.id).status == "confirmed"


@pytest.mark.parametrize("what", ["number", "email", "id", "customer_id", "cart_id"])
def test_orders_are_found_by_what_people_have_in_their_hands(staff, what):
    OrderFactory(email="eva@example.com")
    order = OrderFactory(customer_id="0199c7a1-4be0-7d5c-9a52-000000000001")
    found = staff.get(url("order_changelist"), {"q": str(getattr(order, what))}).context["cl"].result_list
    assert list(found) == [order]
    assert list(staff.get(url("order_changelist"), {"q": "nothing"}).context["cl"].result_list) == []


# --- acting ----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(databases=EVERYWHERE)
def test_cancelling_goes_through_the_use_case_and_refunds(staff, shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out())
    answer = staff.post(
        url("order_cancel_one", order.id), {"reason": "sem estoque", "_form_submitted": "on"},
        headers={"HX-Request": "true"},
    )  # fmt: skip
    assert answer.headers["HX-Redirect"] == url("order_change", order.id)
    order.refresh_from_db()
    assert (order.status, order.cancel_reason, saga_of(order, "CANCEL_ORDER")) == (
        "cancelled", "sem estoque", "COMPLETED",
    )  # fmt: skip
    assert [kind for _, kind, _ in booked(order)] == ["capture", "refund"]
    assert order.timeline.order_by("-version")[0].actor.startswith("user:")
    assert stock_of(shirt) == (10, 1)  # until the event arrives


@pytest.mark.django_db(databases=EVERYWHERE)
def test_pieces_are_given_back_in_a_dialog(staff, shopper, shirt):
    order = shopper.order(shopper.fill(shirt, quantity=3).check_out())
    line = order.lines.get()
    assert f"{line.sku} – {line.name} (até 3)" in text_of(staff.get(url("order_refund", order.id)))
    form = {"reason": "riscado", "restock": "on", "_form_submitted": "on", f"line-{line.id}": 2}
    answer = staff.post(url("order_refund", order.id), form, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == url("order_change", order.id)
    refund = Refund.objects.get()
    assert (refund.amount, refund.status, refund.restock, refund.reason) == (Decimal("100.00"), "done", True, "riscado")
    assert refund.actor.startswith("user:")
    assert [kind for _, kind, _ in booked(order)] == ["capture", "refund"]
    nothing = staff.post(url("order_refund", order.id), {**form, f"line-{line.id}": 0}, follow=True)
    assert [str(message) for message in nothing.context["messages"]][-1].endswith("devolver dessas peças.")


@pytest.mark.django_db(databases=EVERYWHERE)
def test_a_return_is_accepted_received_and_refunded(staff, shopper, shirt):
    order = shopper.order(shopper.fill(shirt, quantity=2).check_out())
    line = order.lines.get()
    OrderLine.objects.filter(id=line.id).update(shipped_quantity=2, delivered_quantity=2, returning_quantity=2)
    wish = ReturnRequest.objects.create(
        order=order, status="requested", reason="defect", freight=True, actor="guest", requested_at=NOON,
        changed_at=NOON,
    )  # fmt: skip
    ReturnLine.objects.create(request=wish, order_line=line, quantity=2)
    sent = {"_form_submitted": "on"}
    assert "vendáveis, de 2" in text_of(staff.get(url("returnrequest_receive", wish.id)))
    staff.post(url("returnrequest_approve", wish.id), {**sent, "answer": "Código 123."})
    staff.post(url("returnrequest_receive", wish.id), {**sent, f"line-{line.id}": 1})
    done = staff.post(url("returnrequest_refund", wish.id), sent, follow=True)
    wish.refresh_from_db()
    assert (wish.status, wish.answer, wish.lines.get().sellable_quantity) == ("refunded", "Código 123.", 1)
    assert [str(message) for message in done.context["messages"]][-1] == "Devolução: concluída."
    again = staff.post(url("returnrequest_refuse", wish.id), {**sent, "answer": "Não."}, follow=True)
    assert "não permite isso" in str(list(again.context["messages"])[-1])
    assert [kind for _, kind, _ in booked(order)] == ["capture", "refund"]


def test_a_return_of_what_cost_nothing_is_ended_by_the_same_button(staff):
    order = OrderFactory(quantities=[1], status="delivered")
    line = order.lines.get()
    OrderLine.objects.filter(id=line.id).update(
        discount=line.unit_price, total=0, shipped_quantity=1, delivered_quantity=1, returning_quantity=1
    )
    wish = ReturnRequest.objects.create(
        order=order, status="received", reason="other", freight=False, actor="guest", requested_at=NOON, changed_at=NOON
    )  # fmt: skip
    ReturnLine.objects.create(request=wish, order_line=line, quantity=1, sellable_quantity=1)
    done = staff.post(url("returnrequest_refund", wish.id), {"_form_submitted": "on"}, follow=True)
    assert [str(message) for message in done.context["messages"]][-1] == "Devolução: concluída."
    line.refresh_from_db()
    wish.refresh_from_db()
    assert (wish.get_status_display(), line.returning_quantity, line.returned_quantity, Refund.objects.count()) == (
        "encerrada",
        0,
        1,
        0,
    )


def test_who_may_only_look_decides_no_return():
    wish = ReturnRequest.objects.create(
        order=OrderFactory(), status="requested", reason="defect", freight=True, actor="guest", requested_at=NOON,
        changed_at=NOON,
    )  # fmt: skip
    looking = logged_in("view_returnrequest")
    assert looking.get(url("returnrequest_change", wish.id)).status_code == 200
    for page in ("approve", "refuse", "receive", "refund"):
        assert looking.post(url(f"returnrequest_{page}", wish.id), {"answer": "x"}).status_code == 403


def test_several_orders_are_cancelled_at_once_and_each_refusal_is_told(staff):
    fine, shipped = OrderFactory(), OrderFactory(status="shipped")
    form = {"action": "cancel", "_selected_action": [str(fine.id), str(shipped.id)]}
    answer = staff.post(url("order_changelist"), form, follow=True)
    fine.refresh_from_db()
    shipped.refresh_from_db()
    assert (fine.status, shipped.status) == ("cancelled", "shipped")
    told = {str(message) for message in answer.context["messages"]}
    assert told == {f"{fine.number}: cancelado.", f"{shipped.number}: A situação do pedido não permite isso."}
    assert SagaInstance.objects.using("order").get().saga_type == "CANCEL_ORDER"


def test_a_part_of_an_order_is_shipped_then_the_rest(staff):
    order = OrderFactory(quantities=[3, 1])
    first, second = order.lines.order_by("position")
    dialog = text_of(staff.get(url("order_ship", order.id)))
    assert f"{first.sku} – Camiseta (faltam 3)" in dialog
    form = {"carrier": "Correios", "tracking_code": "BR1", "_form_submitted": "on"}
    staff.post(url("order_ship", order.id), {**form, f"line-{first.id}": 2, f"line-{second.id}": 0})
    order.refresh_from_db()
    assert (order.status, Shipment.objects.get().lines.get().quantity) == ("partially_shipped", 2)
    too_many = staff.post(url("order_ship", order.id), {**form, f"line-{first.id}": 2, f"line-{second.id}": 1})
    assert (too_many.status_code, Shipment.objects.count()) == (200, 1)
    rest = {**form, "tracking_code": "BR2", f"line-{first.id}": 1, f"line-{second.id}": 1}
    staff.post(url("order_ship", order.id), rest)
    order.refresh_from_db()
    assert order.status == "shipped"


def test_an_arrival_is_entered_by_hand(staff):
    order = OrderFactory(quantities=[1])
    parcel = ship_order(
        order_id=order.id, carrier="C", tracking_code="BR1", quantities=None, actor="x", now=clock.now()
    )
    form = {"status": "delivered", "location": "Portaria", "_form_submitted": "on"}
    assert staff.post(url("shipment_track", parcel.id), form).status_code == 302
    order.refresh_from_db()
    assert (order.status, parcel.events.get().location) == ("delivered", "Portaria")


def test_who_may_only_look_can_only_look():
    order = OrderFactory(quantities=[1])
    looking = logged_in("view_order", "view_shipment")
    assert looking.get(url("order_changelist")).status_code == 200
    assert looking.get(url("order_change", order.id)).status_code == 200
    assert looking.post(url("order_cancel_one", order.id), {"reason": "x"}).status_code == 403
    assert looking.post(url("order_ship", order.id), {}).status_code == 403
    assert looking.post(url("order_refund", order.id), {}).status_code == 403
    looking.post(url("order_changelist"), {"action": "cancel", "_selected_action": [str(order.id)]})
    order.refresh_from_db()
    assert order.status == "confirmed"
    assert logged_in("view_shipment").get(url("order_changelist")).status_code == 403


def test_a_shipping_method_is_edited_with_its_rates(staff):
    method = ShippingMethodFactory(code="pac")
    form = {
        "code": "pac", "name": "PAC", "carrier": "Correios", "delivery_days": "5", "active": "on",
        "rates-TOTAL_FORMS": "1", "rates-INITIAL_FORMS": "0", "rates-0-state": "SP", "rates-0-max_weight_grams": "1000",
        "rates-0-price": "9.90",
    }  # fmt: skip
    answer = staff.post(url("shippingmethod_change", method.id), form)
    assert answer.status_code == 302, answer.context["errors"]
    assert (ShippingMethod.objects.get().name, ShippingRate.objects.get().price) == ("PAC", Decimal("9.90"))


# --- cases -----------------------------------------------------------------------------------------------------------
def test_the_queue_of_cases_shows_open_ones_with_their_age(staff):
    opened_at = clock.now() - timedelta(days=2, hours=3, minutes=5)
    case = StaffCaseFactory(attempt=PaymentAttemptFactory(), opened_at=opened_at)
    suspected = StaffCaseFactory(status="suspected", opened_at=None)

    shown = text_of(staff.get(url("staffcase_changelist")))

    assert "2 d 3 h" in shown
    assert case.attempt.order.number in shown
    assert case.reference in shown
    assert suspected.reference not in shown
    assert staff.get(url("staffcase_change", suspected.id)).status_code == 302


def test_a_case_shows_what_each_side_says(staff):
    case = StaffCaseFactory(facts={"gateway": {"captured": "60.00 BRL"}, "shop": {"captured": "<b>50.00</b>"}})

    page = staff.get(url("staffcase_change", case.id)).content.decode()

    assert "60.00 BRL" in page
    assert "&lt;b&gt;50.00" in page


def test_staff_resolves_a_case_with_a_note():
    staff, case = logged_in("view_staffcase", "change_staffcase"), StaffCaseFactory()

    answer = staff.post(
        url("staffcase_resolve", case.id), {"note": "devolvido no painel", "_form_submitted": "on"},
        headers={"HX-Request": "true"},
    )  # fmt: skip

    case.refresh_from_db()
    assert answer.headers["HX-Redirect"] == url("staffcase_change", case.id)
    assert (case.status, case.note) == ("resolved", "devolvido no painel")
    assert case.resolved_by.startswith("user:")


def test_who_may_only_look_resolves_nothing():
    watcher, case = logged_in("view_staffcase"), StaffCaseFactory()

    assert watcher.get(url("staffcase_changelist")).status_code == 200
    assert watcher.post(url("staffcase_resolve", case.id), {"note": "x", "_form_submitted": "on"}).status_code == 403

    case.refresh_from_db()
    assert case.status == "open"
