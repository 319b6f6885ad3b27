"""The REST interface apart from buying: who sees what, pages, staff, and bodies that make no sense."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from contexts.order.models import DailySales, Order, Shipment, ShippingMethod
from contexts.order.usecases.fulfil import ship_order
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.ids import new_id
from tests.contexts.order.conftest import ADDRESS, as_json, brl, card, client_of
from tests.contexts.order.factories import NOON, OrderFactory, PaymentAttemptFactory

pytestmark = pytest.mark.django_db(databases=["order"])

GUEST = APIClient()


def url(order: Order, *rest: str) -> str:
    return "/".join(["/api/v1/orders", str(order.id), *rest])


def token(order: Order) -> dict[str, str]:
    return {"X-Order-Token": access_token(order.id)}


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- who sees an order -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["", "tracking"])
def test_an_order_is_seen_by_its_customer_by_who_holds_its_token_and_by_staff(page):
    customer_id = new_id()
    order = OrderFactory(customer_id=customer_id, quantities=[1])
    address = url(order, page).rstrip("/")
    assert client_of(customer_id).get(address).status_code == 200
    assert GUEST.get(address, headers=token(order)).status_code == 200
    assert client_of(None, "order.view_order").get(address).status_code == 200
    assert client_of(None, "*").get(address).status_code == 200


@pytest.mark.parametrize("page", ["", "tracking"])
def test_to_anybody_else_it_does_not_exist(page):
    order, other = OrderFactory(customer_id=new_id()), OrderFactory()
    address = url(order, page).rstrip("/")
    strangers = [
        (GUEST, {}),
        (GUEST, token(other)),
        (GUEST, {"X-Order-Token": "x"}),
        (client_of(), {}),
        (client_of(None, "order.change_order"), {}),
        (client_of(None, "catalog.view_product", staff=True), {}),
    ]
    for client, headers in strangers:
        assert code_of(client.get(address, headers=headers)) == (404, "order_not_found")
    assert code_of(client_of().get(f"/api/v1/orders/{uuid4()}")) == (404, "order_not_found")


def test_an_order_shows_what_its_buyer_needs_and_no_secrets():
    order = OrderFactory(
        status="awaiting_payment", quantities=[1], address_snapshot={**ADDRESS, "payer": {"tax_id": "390"}}
    )
    PaymentAttemptFactory(
        order=order, method="boleto", status="pending", client_data={"linha_digitavel": "1"},
        instrument={"token": "tok_secret", "last4": "4242"},
    )  # fmt: skip
    document = GUEST.get(url(order), headers=token(order)).json()
    assert (document["number"], document["total"]) == (order.number, as_json(brl("60.00")))
    assert document["payments"][0]["client_data"] == {"linha_digitavel": "1"}
    assert document["payments"][0]["expires_at"]
    assert document["access_token"] == access_token(order.id)
    assert "tok_secret" not in str(document)
    assert "390" not in str(document["address"])


def test_tracking_tells_the_parcels_and_the_states():
    order = OrderFactory(quantities=[1])
    parcel = ship_order(
        order_id=order.id, carrier="Correios", tracking_code="BR1", quantities=None, actor="x", now=NOON
    )
    staff = client_of(None, "order.change_shipment")
    event = {"status": "in_transit", "location": "Curitiba", "at": (NOON + timedelta(hours=1)).isoformat()}
    assert staff.post(f"/api/v1/shipments/{parcel.id}/tracking-events", event).status_code == 204
    document = GUEST.get(url(order, "tracking"), headers=token(order)).json()
    assert (document["status"], [entry["status"] for entry in document["timeline"]]) == ("shipped", ["shipped"])
    [shown] = document["shipments"]
    assert (shown["tracking_code"], shown["status"], shown["events"][0]["location"]) == (
        "BR1",
        "in_transit",
        "Curitiba",
    )


# --- cancelling ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("who", "actor"), [("customer", "user:"), ("guest", "guest"), ("staff", "user:")])
def test_who_may_cancel(who, actor):
    customer_id = new_id()
    order = OrderFactory(customer_id=customer_id, quantities=[1])
    client, headers = {
        "customer": (client_of(customer_id), {}),
        "guest": (GUEST, token(order)),
        "staff": (client_of(None, "order.change_order"), {}),
    }[who]
    answer = client.post(url(order, "cancel"), {"reason": "desisti"}, headers=headers)
    assert (answer.status_code, answer.json()["status"], answer.json()["cancel_reason"]) == (
        200, "cancelled", "desisti",
    )  # fmt: skip
    assert order.timeline.get().actor.startswith(actor)


def test_who_may_only_look_cannot_cancel():
    order = OrderFactory(customer_id=new_id())
    for client in (GUEST, client_of(), client_of(None, "order.view_order")):
        assert code_of(client.post(url(order, "cancel"), {"reason": "x"})) == (404, "order_not_found")
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_what_was_shipped_is_not_cancelled():
    order = OrderFactory(status="shipped")
    answer = GUEST.post(url(order, "cancel"), {"reason": "x"}, headers=token(order))
    assert (code_of(answer), answer.json()["detail"]) == (
        (409, "illegal_transition"), "A situação do pedido não permite isso.",
    )  # fmt: skip
    assert GUEST.post(url(order, "cancel"), {}, headers=token(order)).status_code == 400


# --- lists -----------------------------------------------------------------------------------------------------------
def test_my_orders_are_mine_newest_first_page_by_page():
    customer_id = new_id()
    mine = [OrderFactory(customer_id=customer_id) for _ in range(5)]
    OrderFactory(customer_id=customer_id, status="failed")
    OrderFactory(customer_id=new_id())
    client = client_of(customer_id)
    seen, page = [], "/api/v1/orders?limit=2"
    while page:
        answer = client.get(page).json()
        assert len(answer["results"]) <= 2
        seen += [row["id"] for row in answer["results"]]
        page = answer["next"]
    assert seen == [str(order.id) for order in reversed(mine)]


def test_orders_of_one_moment_are_neither_lost_nor_repeated():
    customer_id = new_id()
    mine = {str(OrderFactory(customer_id=customer_id, placed_at=NOON).id) for _ in range(5)}
    client = client_of(customer_id)
    first = client.get("/api/v1/orders?limit=3").json()
    second = client.get(first["next"]).json()
    seen = [row["id"] for row in first["results"] + second["results"]]
    assert (set(seen), len(seen)) == (mine, 5)


def test_a_guest_has_no_list():
    assert GUEST.get("/api/v1/orders").status_code == 401


@pytest.mark.parametrize(
    ("query", "found"), [("", 3), ("?status=shipped", 1), ("?email=Eva@Example.com", 1), ("?status=x", 0)]
)
def test_staff_find_orders(query, found):
    OrderFactory()
    OrderFactory(status="shipped")
    OrderFactory(email="eva@example.com", customer_id=new_id())
    answer = client_of(None, "order.view_order").get(f"/api/v1/staff/orders{query}")
    assert len(answer.json()["results"]) == found


@pytest.mark.parametrize("page", ["/api/v1/orders", "/api/v1/staff/orders"])
def test_a_list_costs_one_statement_whatever_its_size(page, statements):
    customer_id = new_id()
    client = client_of(customer_id, "order.view_order")
    for size in (1, 20):
        for _ in range(size):
            OrderFactory(customer_id=customer_id, quantities=[1, 1])
        with statements("order") as executed:
            assert client.get(f"{page}?limit=100").status_code == 200
        assert len(executed) == 1


@pytest.mark.parametrize(("page", "most"), [("", 3), ("tracking", 4)])
def test_an_order_costs_the_same_whatever_its_size(page, most, statements):
    counts = []
    for size in (1, 8):
        order = OrderFactory(quantities=[1] * size)
        for line in order.lines.all():
            parcel = {line.id: 1}
            ship_order(
                order_id=order.id, carrier="C", tracking_code=str(line.id), quantities=parcel, actor="x", now=NOON
            )
        with statements("order") as executed:
            assert GUEST.get(url(order, page).rstrip("/"), headers=token(order)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= most


# --- staff -----------------------------------------------------------------------------------------------------------
UNKNOWN = "0199c7a1-4be0-7d5c-9a52-000000000000"
"""An id that nothing has."""
STAFF = [
    ("get", "/api/v1/staff/orders", "order.view_order"),
    ("get", "/api/v1/staff/sales", "order.view_dailysales"),
    ("post", f"/api/v1/orders/{UNKNOWN}/shipments", "order.add_shipment"),
    ("post", f"/api/v1/shipments/{UNKNOWN}/tracking-events", "order.change_shipment"),
    ("put", "/api/v1/shipping-methods/pac", "order.change_shippingmethod"),
]


@pytest.mark.parametrize(("method", "page", "scope"), STAFF)
def test_every_staff_endpoint_wants_its_scope(method, page, scope):
    others = {other for *_, other in STAFF} - {scope}
    assert getattr(GUEST, method)(page).status_code == 401
    assert code_of(getattr(client_of(), method)(page)) == (403, "missing_scope")
    assert code_of(getattr(client_of(None, *others), method)(page)) == (403, "missing_scope")
    assert getattr(client_of(None, scope), method)(page).status_code not in (401, 403)


def test_staff_ship_all_or_some_of_an_order():
    staff = client_of(None, "order.add_shipment")
    order = OrderFactory(quantities=[2, 1])
    first = order.lines.order_by("position")[0]
    some = {"carrier": "C", "tracking_code": "1", "lines": [{"line_id": str(first.id), "quantity": 1}]}
    answer = staff.post(url(order, "shipments"), some)
    assert (answer.status_code, answer.json()["tracking_code"]) == (201, "1")
    assert staff.post(url(order, "shipments"), {"carrier": "C", "tracking_code": "2"}).status_code == 201
    order.refresh_from_db()
    assert (order.status, Shipment.objects.count()) == ("shipped", 2)
    assert code_of(staff.post(url(order, "shipments"), {"carrier": "C", "tracking_code": "3"})) == (
        422, "nothing_to_ship",
    )  # fmt: skip
    twice = {**some, "lines": some["lines"] * 2}
    assert staff.post(url(order, "shipments"), twice).json()["errors"][0]["code"] == "duplicate_line"


def test_staff_set_what_shipping_costs():
    staff = client_of(None, "order.change_shippingmethod")
    body = {"name": "PAC", "rates": [{"max_weight_grams": 1000, "price": as_json(brl("10.00"))}]}
    assert staff.put("/api/v1/shipping-methods/pac", body).status_code == 204
    assert ShippingMethod.objects.get().rates.get().price == Decimal("10.00")
    dollars = {"amount": "10.00", "currency": "USD"}
    answer = staff.put("/api/v1/shipping-methods/pac", {**body, "rates": [{"max_weight_grams": 1, "price": dollars}]})
    assert answer.json()["errors"][0]["pointer"] == "/rates/0/price"
    doubled = {**body, "rates": body["rates"] * 2}
    assert code_of(staff.put("/api/v1/shipping-methods/pac", doubled)) == (422, "duplicate_rate")


def test_staff_see_what_was_sold_by_day():
    today = clock.now().date()
    for age in (0, 1, 40, 500):
        DailySales.objects.create(day=today - timedelta(days=age), orders=1, revenue=Decimal("9.90"))
    staff = client_of(None, "order.view_dailysales")
    days = [row["day"] for row in staff.get("/api/v1/staff/sales").json()["results"]]
    assert days == [str(today - timedelta(days=1)), str(today)]
    assert len(staff.get("/api/v1/staff/sales?days=9999").json()["results"]) == 3
    assert len(staff.get("/api/v1/staff/sales?days=x").json()["results"]) == 2
    assert len(staff.get(f"/api/v1/staff/sales?days={'9' * 5000}").json()["results"]) == 3
    assert date.fromisoformat(days[0])


# --- bodies of a checkout --------------------------------------------------------------------------------------------
def checkout(**changes):
    body = {
        "cart_id": str(uuid4()), "email": "ana@example.com", "address": ADDRESS, "shipping_method": "pac",
        "payments": [card()], "expected_total": as_json(brl("60.00")), **changes,
    }  # fmt: skip
    return GUEST.post("/api/v1/checkout", body, headers={"Idempotency-Key": uuid4().hex})


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"email": f"{'a' * 250}@example.com"}, "/email", "max_length"),
        ({"address": None}, "/address", "required"),
        ({"address_id": str(uuid4())}, "/address", "required"),
        ({"address": {**ADDRESS, "cep": "0131010"}}, "/address/cep", "invalid"),
        ({"address": {**ADDRESS, "cep": "0131010٣"}}, "/address/cep", "invalid"),
        ({"address": {**ADDRESS, "state": "XX"}}, "/address/state", "invalid_choice"),
        ({"payments": [{"method": "card"}]}, "/payments/0/card_token", "required"),
        ({"payments": [card("4242 4242 4242 4242")]}, "/payments/0/card_token", "card_number_refused"),
        ({"payments": [card(), {"method": "voucher"}]}, "/payments/1/voucher_code", "required"),
        ({"payments": [{"method": "cash"}]}, "/payments/0/method", "invalid_choice"),
        ({"payments": [card(instalments=0)]}, "/payments/0/instalments", "min_value"),
        ({"payments": [card()] * 31}, "/payments", "max_length"),
        ({"payments": [card(amount=60)]}, "/payments/0/amount", "not_money"),
        ({"expected_total": {"amount": 60.0}}, "/expected_total", "not_text"),
        ({"return_url": "https://evil.example/x"}, "/return_url", "foreign_url"),
        ({"return_url": "http://localhost:8000@evil.example/x"}, "/return_url", "foreign_url"),
        ({"return_url": "javascript:alert(1)"}, "/return_url", "invalid"),
    ],
)
def test_a_checkout_that_makes_no_sense(changes, pointer, code):
    answer = checkout(**changes)
    assert answer.status_code == 400
    assert {(error["pointer"], error["code"]) for error in answer.json()["errors"]} == {(pointer, code)}


@pytest.mark.parametrize(
    ("setting", "value", "return_url"),
    [
        ("PUBLIC_URL", "https://loja.example/", "https://loja.example/a"),
        ("STOREFRONT_URL", "https://www.loja.example", "https://www.loja.example/a?b=c"),
        ("CORS_ALLOWED_ORIGINS", ["https://app.example"], "https://app.example"),
        ("CORS_ALLOWED_ORIGIN_REGEXES", [r"^http://localhost:\d+$"], "http://localhost:5173/a"),
    ],
)
def test_the_browser_may_return_to_pages_of_the_shop(settings, setting, value, return_url):
    setattr(settings, setting, value)
    assert "errors" not in checkout(return_url=return_url, payer={"tax_id": "1"}).json()


def test_a_checkout_needs_a_key():
    assert code_of(GUEST.post("/api/v1/checkout", {})) == (400, "idempotency_key_missing")


def test_a_preview_needs_a_cart_and_a_state():
    answer = GUEST.post("/api/v1/checkout/preview", {"state": "XX"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/cart_id", "/state"}
