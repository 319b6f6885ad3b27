"""Who may do what, endpoint by endpoint: a table that must name every operation of the API, and intruders at each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from contexts.cart.domain.access import Caller
from contexts.cart.usecases import lifecycle
from contexts.catalog.usecases.wishes import add_favourite
from contexts.identity.models import Session
from contexts.order.usecases.configure_shipping import put_shipping_method
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.http import schema
from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id
from ecommerce.topology import local_aliases
from tests.contexts.catalog.factories import ProductFactory, brl, on_sale
from tests.contexts.identity.factories import AddressFactory, SavedCardFactory, UserFactory
from tests.contexts.order.factories import OrderFactory, PaymentAttemptFactory
from tests.contexts.promotion.factories import CouponFactory

pytestmark = pytest.mark.django_db(databases=list(local_aliases()))
UNKNOWN = UUID("01900000-0000-7000-8000-00000000dead")


# --- rules -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Anyone:
    """Everybody gets the same answer."""


@dataclass(frozen=True)
class Signed:
    """The address or the body carries a signature; without a good one nobody gets in."""

    body: Any = None
    refused: int = 404


@dataclass(frozen=True)
class Customer:
    """Anybody who is logged in; what it shows or changes is the customer's own."""

    shows: str = ""
    """The entry of ``World.traces`` that the owner must find in the answer."""


@dataclass(frozen=True)
class Scope:
    """Staff with this scope."""

    name: str


@dataclass(frozen=True)
class Owner:
    """Whoever owns the cart, the order, or the belonging that the address or the body names."""

    of: str
    body: Mapping[str, Any] | None = None
    """Names in braces stand for what the world holds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    succeeds: tuple[int, ...] = (200, 201, 204)


Rule = Anyone | Signed | Customer | Scope | Owner

SEEN = {"If-Match": "*"}
CHECKOUT = {
    "cart_id": "{cart_id}", "email": "ana@example.com", "shipping_method": "pac", "payments": [],
    "expected_total": {"amount": "0.01"},
    "address": {
        "recipient": "Ana", "cep": "01310100", "street": "Avenida Paulista", "number": "1", "district": "Bela Vista",
        "city": "São Paulo", "state": "SP",
    },
}  # fmt: skip
CODES = {"br_code": "pix", "barcode": "00196490000002952950000007777777000008765418"}
TABLE: dict[str, Rule] = {
    # catalog
    "GET /categories": Anyone(),
    "GET /products": Anyone(),
    "POST /products": Scope("catalog.add_product"),
    "GET /products/{named}": Anyone(),
    "PATCH /products/{named}": Scope("catalog.change_product"),
    "DELETE /products/{named}": Scope("catalog.delete_product"),
    "GET /products/{product_id}/reviews": Anyone(),
    "POST /products/{product_id}/reviews": Customer(),
    "POST /products/{product_id}/variants": Scope("catalog.change_product"),
    "PATCH /variants/{variant_id}": Scope("catalog.change_product"),
    "DELETE /variants/{variant_id}": Scope("catalog.change_product"),
    "PUT /variants/{variant_id}/price": Scope("catalog.change_product"),
    "PUT /variants/{variant_id}/stock-alert": Customer(),
    "DELETE /variants/{variant_id}/stock-alert": Customer(),
    "POST /price-changes": Scope("catalog.change_product"),
    "POST /stock-movements": Scope("catalog.change_stock"),
    "POST /catalog-imports": Scope("catalog.add_product"),
    "GET /catalog-exports": Scope("catalog.view_product"),
    "GET /reviews": Scope("catalog.view_review"),
    "POST /reviews/{review_id}/approve": Scope("catalog.change_review"),
    "POST /reviews/{review_id}/reject": Scope("catalog.change_review"),
    "GET /me/favourites": Customer(shows="favourite"),
    "PUT /me/favourites/{product_id}": Customer(),
    "DELETE /me/favourites/{product_id}": Customer(),
    # identity
    "GET /cep/{cep}": Anyone(),
    "GET /me": Customer(shows="email"),
    "PATCH /me": Customer(shows="email"),
    "GET /me/addresses": Customer(shows="address"),
    "POST /me/addresses": Customer(),
    "GET /me/addresses/{address_id}": Owner("account"),
    "PATCH /me/addresses/{address_id}": Owner("account", {"street": "Rua Nova"}),
    "DELETE /me/addresses/{address_id}": Owner("account"),
    "GET /me/cards": Customer(shows="card"),
    "POST /me/cards": Customer(),
    "DELETE /me/cards/{card_id}": Owner("account"),
    "POST /me/cards/{card_id}/default": Owner("account"),
    "GET /me/sessions": Customer(shows="session"),
    "DELETE /me/sessions/{session_id}": Owner("account"),
    # cart
    "GET /carts": Customer(shows="cart"),
    "POST /carts": Anyone(),
    "GET /carts/{cart_id}": Owner("cart"),
    "GET /carts/{cart_id}/history": Owner("cart"),
    "POST /carts/{cart_id}/lines": Owner("cart", {"variant_id": "{variant_id}"}),
    "PATCH /carts/{cart_id}/lines/{variant_id}": Owner("cart", {"quantity": 2}, SEEN),
    "DELETE /carts/{cart_id}/lines/{variant_id}": Owner("cart", None, SEEN),
    "POST /carts/{cart_id}/accept-prices": Owner("cart", None, SEEN),
    "PUT /carts/{cart_id}/coupon": Owner("cart", {"code": "{code}"}),
    "DELETE /carts/{cart_id}/coupon": Owner("cart"),
    "PUT /carts/{cart_id}/contact": Owner("cart", {"email": "ana@example.com"}),
    "POST /carts/{cart_id}/claim": Owner("guest cart, taken along by a customer"),
    "POST /carts/{cart_id}/merge": Owner(
        "cart", {"cart_id": "{spare_id}", "token": "{spare_token}"}, succeeds=(200, 409)
    ),
    "POST /cart-recoveries": Signed({"token": "WyJhIiwiYiJd:1:x"}),
    # order
    "POST /checkout/preview": Owner("cart", {"cart_id": "{cart_id}", "state": "SP", "shipping_method": "pac"}),
    "POST /checkout": Owner("cart", CHECKOUT, {"Idempotency-Key": "k"}, succeeds=(409,)),
    "POST /payments/webhooks/{gateway}": Signed({"id": "evt_1", "type": "charge.captured"}, refused=401),
    "GET /payments/{payment_id}/qr.png": Owner("order"),
    "GET /payments/{payment_id}/qr.svg": Owner("order"),
    "GET /payments/{payment_id}/boleto": Owner("order"),
    "GET /orders": Customer(shows="order"),
    "GET /orders/{order_id}": Owner("order"),
    "GET /orders/{order_id}/tracking": Owner("order"),
    "POST /orders/{order_id}/cancel": Owner("order", {"reason": "desisti"}),
    "POST /orders/{order_id}/payments": Owner("order", {"method": "pix"}, {"Idempotency-Key": "k"}, succeeds=(409,)),
    "GET /orders/{order_id}/refunds": Owner("order"),
    "POST /orders/{order_id}/refunds": Scope("order.add_refund"),
    "GET /orders/{order_id}/instalment-options": Owner("order", succeeds=(409,)),
    "GET /orders/{order_id}/returns": Owner("order"),
    "POST /orders/{order_id}/returns": Owner(
        "order",
        {"lines": [{"line_id": str(UNKNOWN), "quantity": 1}], "reason": "other"},
        {"Idempotency-Key": "k"},
        succeeds=(422,),
    ),
    "POST /orders/{order_id}/shipments": Scope("order.add_shipment"),
    "POST /shipments/{shipment_id}/tracking-events": Scope("order.change_shipment"),
    "PUT /shipping-methods/{code}": Scope("order.change_shippingmethod"),
    "GET /staff/orders": Scope("order.view_order"),
    "GET /staff/sales": Scope("order.view_dailysales"),
    # promotion
    "GET /campaigns": Scope("promotion.view_campaign"),
    "POST /campaigns": Scope("promotion.add_campaign"),
    "GET /campaigns/{campaign_id}": Scope("promotion.view_campaign"),
    "PATCH /campaigns/{campaign_id}": Scope("promotion.change_campaign"),
    "DELETE /campaigns/{campaign_id}": Scope("promotion.delete_campaign"),
    "POST /campaigns/{campaign_id}/discounts": Scope("promotion.change_campaign"),
    "PATCH /campaigns/{campaign_id}/discounts/{discount_id}": Scope("promotion.change_campaign"),
    "DELETE /campaigns/{campaign_id}/discounts/{discount_id}": Scope("promotion.change_campaign"),
    "POST /campaigns/{campaign_id}/coupons/bulk": Scope("promotion.add_coupon"),
    "GET /coupons": Scope("promotion.view_coupon"),
    "POST /coupons": Scope("promotion.add_coupon"),
    "GET /coupons/{code}": Scope("promotion.view_coupon"),
    "PATCH /coupons/{code}": Scope("promotion.change_coupon"),
    "GET /coupons/{code}/usage": Scope("promotion.view_coupon"),
    # notification
    "GET /me/notification-preferences": Customer(),
    "PUT /me/notification-preferences": Customer(),
    "PUT /me/push-subscriptions": Customer(),
    "DELETE /me/push-subscriptions": Customer(),
    "GET /unsubscribe/{signed}": Signed(),
    "POST /unsubscribe/{signed}": Signed(),
    "GET /messages": Scope("notification.view_message"),
    "GET /messages/{message_id}": Scope("notification.view_message"),
    "POST /messages/{message_id}/resend": Scope("notification.change_message"),
    "GET /message-templates": Scope("notification.view_template"),
    "GET /message-templates/{template_id}": Scope("notification.view_template"),
    "POST /message-templates/{template_id}/preview": Scope("notification.view_template"),
    "POST /message-templates/{template_id}/versions": Scope("notification.change_template"),
    "POST /message-templates/{template_id}/test-send": Scope("notification.change_template"),
    "POST /message-templates/{template_id}/publish": Scope("notification.change_template"),
    "POST /message-templates/{template_id}/rollback": Scope("notification.change_template"),
}
SCOPES = frozenset(rule.name for rule in TABLE.values() if isinstance(rule, Scope)) | {"order.change_order"}
ORDERS = {"order.view_order", "order.change_order"}
"""The scopes that open somebody else's order; nothing opens somebody else's cart or belongings."""


def of_kind(kind: type[Any]) -> list[str]:
    return [operation for operation, rule in TABLE.items() if isinstance(rule, kind)]


def test_the_table_names_every_operation_and_no_other() -> None:
    paths: dict[str, Any] = json.loads(schema.document())["paths"]
    described = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in paths.items()
        for method in operations
        if method in schema.METHODS
    }
    assert described - TABLE.keys() == set(), "say in TABLE who may do this"
    assert TABLE.keys() - described == set(), "these are gone"


# --- the world -------------------------------------------------------------------------------------------------------
@dataclass
class World:
    """Ana with one of everything, and strangers."""

    owner: APIClient
    owner_id: str
    stranger: APIClient
    ids: dict[str, str]
    traces: dict[str, str]
    """What shows that an answer is about Ana."""
    carts: list[Holding]
    orders: list[Holding]


@dataclass
class Holding:
    """A cart or an order, who holds it, and the secret that opens it."""

    ids: dict[str, str]
    client: APIClient
    headers: dict[str, str]


def client_of(**principal: Any) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(Principal(**{"id": new_id(), **principal}))  # type: ignore[arg-type]
    return client


def guest() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def world() -> World:
    ana = UserFactory(email="ana@example.com")
    bia = UserFactory(email="bia@example.com")
    owner, stranger = (client_of(id=user.id, email=user.email, email_verified=True) for user in (ana, bia))
    variant, favourite = on_sale(price="50.00"), on_sale(price="20.00")
    add_favourite(customer_id=ana.id, product_id=favourite.product_id, now=clock.now())
    address, card, spare_card = AddressFactory(user=ana), SavedCardFactory(user=ana), SavedCardFactory(user=ana)
    session = Session.objects.create(
        session_key="s", session_data="", user=ana, expire_date=clock.now() + timedelta(days=1)
    )
    rates = [{"state": "", "max_weight_grams": 10_000, "price": brl("10.00")}]
    put_shipping_method(code="pac", name="PAC", carrier="C", delivery_days=1, active=True, rates=rates)
    spare, spare_token = lifecycle.create_cart(caller=Caller(), quantities={variant.id: 1}, now=clock.now())
    ids = {
        "address_id": address.id, "card_id": card.id, "session_id": session.id, "variant_id": variant.id,
        "product_id": variant.product_id, "named": variant.product.slug, "code": CouponFactory().code,
        "spare_id": spare.id, "spare_token": spare_token, "spare_card_id": spare_card.id, "cep": "01310100",
    }  # fmt: skip
    known = {name: str(value) for name, value in ids.items()}
    carts = [_cart(known, owner, ana.id), _cart(known, guest(), None)]
    orders = [_order(known, owner, ana.id), _order(known, guest(), None)]
    traces = {
        "email": ana.email, "address": str(address.id), "card": str(card.id), "session": str(session.id),
        "favourite": str(favourite.product_id), "cart": carts[0].ids["cart_id"], "order": orders[0].ids["order_id"],
    }  # fmt: skip
    return World(owner, str(ana.id), stranger, known, traces, carts, orders)


def _cart(known: dict[str, str], client: APIClient, customer_id: UUID | None) -> Holding:
    quantities = {UUID(known["variant_id"]): 1}
    cart, token = lifecycle.create_cart(caller=Caller(customer_id=customer_id), quantities=quantities, now=clock.now())
    headers = {} if customer_id else {"X-Cart-Token": token}
    return Holding({**known, "cart_id": str(cart.id)}, client, headers)


def _order(known: dict[str, str], client: APIClient, customer_id: UUID | None) -> Holding:
    address = {**CHECKOUT["address"], "complement": "", "payer": {"name": "", "tax_id": ""}}  # type: ignore[dict-item]
    order = OrderFactory(customer_id=customer_id, quantities=[1], address_snapshot=address)
    headers = {} if customer_id else {"X-Order-Token": access_token(order.id)}
    payment = PaymentAttemptFactory(
        order=order, method="boleto", status="pending", expires_at=clock.now() + timedelta(days=1), client_data=CODES
    )
    return Holding({**known, "order_id": str(order.id), "payment_id": str(payment.id)}, client, headers)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Put what the world holds in place of names in braces."""
    if isinstance(value, str):
        return value.format_map({**dict.fromkeys(NAMES, str(UNKNOWN)), "gateway": "sandbox", "signed": "a:b", **ids})
    if isinstance(value, Mapping):
        return {name: filled(item, ids) for name, item in value.items()}
    return value


NAMES = (
    "review_id", "shipment_id", "campaign_id", "discount_id", "message_id", "template_id", "variant_id", "product_id",
    "order_id", "payment_id", "cart_id", "named", "code",
)  # fmt: skip


def call(
    client: APIClient,
    operation: str,
    ids: Mapping[str, str],
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    method: str = "",
) -> Any:
    named, path = operation.split(" ")
    sent = json.dumps(filled(body, ids)) if body is not None else ""
    return client.generic(
        method or named, f"/api/v1{filled(path, ids)}", sent, content_type="application/json", headers=headers
    )


def methods_of(operation: str) -> list[str]:
    """Return what to try: HEAD must not open what GET does not."""
    method = operation.partition(" ")[0]
    return [method, "HEAD"] if method == "GET" else [method]


# --- the rules, tried ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("operation", of_kind(Anyone))
def test_what_is_for_anyone_is(operation: str, world: World) -> None:
    for method in methods_of(operation):
        answer = call(guest(), operation, world.ids, method=method)
        assert answer.status_code in (200, 201, 503), answer.content


@pytest.mark.parametrize("operation", of_kind(Signed))
def test_what_is_signed_opens_to_nobody_without_the_signature(operation: str, world: World) -> None:
    rule = TABLE[operation]
    assert isinstance(rule, Signed)
    for client in (guest(), world.stranger, client_of(is_staff=True, scopes=SCOPES)):
        for method in methods_of(operation):
            answer = call(client, operation, world.ids, body=rule.body, method=method)
            assert answer.status_code == rule.refused, answer.content


@pytest.mark.parametrize("operation", of_kind(Customer))
def test_customers_get_their_own_and_guests_nothing(operation: str, world: World) -> None:
    rule = TABLE[operation]
    assert isinstance(rule, Customer)
    for method in methods_of(operation):
        assert call(guest(), operation, world.ids, body={}, method=method).status_code == 401
    theirs = call(world.stranger, operation, world.ids, body={})
    assert theirs.status_code not in (401, 404, 500), theirs.content
    shown = theirs.content.decode()
    assert not [trace for trace in world.traces.values() if trace in shown]
    if rule.shows:
        assert world.traces[rule.shows] in call(world.owner, operation, world.ids, body={}).content.decode()


@pytest.mark.parametrize("operation", of_kind(Scope))
def test_staff_need_the_very_scope(operation: str) -> None:
    rule = TABLE[operation]
    assert isinstance(rule, Scope)
    ids = {"named": str(UNKNOWN), "code": "nenhum"}
    for method in methods_of(operation):
        refused = {
            401: call(guest(), operation, ids, method=method),
            403: call(client_of(email_verified=True), operation, ids, method=method),
        }
        refused_staff = call(client_of(is_staff=True, scopes=SCOPES - {rule.name}), operation, ids, method=method)
        assert {status: answer.status_code for status, answer in refused.items()} == {401: 401, 403: 403}
        assert refused_staff.status_code == 403
        for scope in (rule.name, "*"):
            allowed = call(client_of(is_staff=True, scopes=frozenset({scope})), operation, ids, method=method)
            assert allowed.status_code not in (401, 403, 405, 500), allowed.content


@pytest.mark.parametrize("operation", of_kind(Owner))
def test_what_is_somebody_elses_does_not_exist(operation: str, world: World) -> None:
    rule = TABLE[operation]
    assert isinstance(rule, Owner)
    for holding in holdings(world, rule):
        headers = {**rule.headers, **holding.headers}
        for intruder, given in intruders(world, holding):
            for method in methods_of(operation):
                answer = call(
                    intruder, operation, holding.ids, body=rule.body, headers={**rule.headers, **given}, method=method
                )
                assert answer.status_code in (401, 404), (method, given, answer.content)
        answer = call(holding.client, operation, holding.ids, body=rule.body, headers=headers)
        assert answer.status_code in rule.succeeds, answer.content


def holdings(world: World, rule: Owner) -> list[Holding]:
    match rule.of:
        case "cart":
            return world.carts
        case "order":
            return world.orders
        case "account":
            return [Holding(world.ids, world.owner, {})]
        case _:
            return [Holding(world.carts[1].ids, world.owner, world.carts[1].headers)]


def intruders(world: World, holding: Holding) -> Iterator[tuple[APIClient, dict[str, str]]]:
    """Yield whoever might try: with nothing, with a made-up secret, with the secret of something else."""
    stolen = [{}, {"X-Cart-Token": "x", "X-Order-Token": "x"}, {"X-Cart-Token": "", "X-Order-Token": ""}]
    elsewhere = {"X-Cart-Token": world.ids["spare_token"], "X-Order-Token": access_token(new_id())}
    staff = client_of(is_staff=True, scopes=SCOPES - ORDERS)
    for headers in (*stolen, elsewhere):
        yield guest(), headers
        yield world.stranger, headers
        yield staff, headers
    if not holding.client.handler._force_user:
        yield world.owner, {}


# --- what the table cannot say ---------------------------------------------------------------------------------------
def test_nobody_pays_or_is_sent_to_by_what_somebody_else_keeps(world: World) -> None:
    theirs = call(world.stranger, "POST /carts", {}, body={"lines": [{"variant_id": world.ids["variant_id"]}]}).json()
    checkout = {**CHECKOUT, "cart_id": theirs["id"]}
    paid_by = [{"method": "card", "saved_card_id": world.ids["card_id"]}]
    sent_to = {name: value for name, value in checkout.items() if name != "address"}
    for body, code in (
        ({**checkout, "payments": paid_by}, "saved_card_not_found"),
        ({**sent_to, "address_id": world.ids["address_id"]}, "address_not_found"),
    ):
        answer = call(world.stranger, "POST /checkout", {}, body=body, headers={"Idempotency-Key": code})
        assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_nobody_merges_somebody_elses_cart_into_their_own(world: World) -> None:
    theirs = call(world.stranger, "POST /carts", {}, body={}).json()
    for holding in world.carts:
        body = {"cart_id": holding.ids["cart_id"], "token": "x"}
        answer = call(world.stranger, "POST /carts/{cart_id}/merge", {"cart_id": theirs["id"]}, body=body)
        assert answer.status_code == 404


def test_drafts_and_the_staffs_view_are_for_staff() -> None:
    draft = ProductFactory(status="draft")
    for client in (guest(), client_of()):
        assert client.get(f"/api/v1/products/{draft.slug}").status_code == 404
        assert client.get(f"/api/v1/products/{draft.slug}?view=staff").status_code == 403
    assert client_of(is_staff=True, scopes=SCOPES).get(f"/api/v1/products/{draft.slug}?view=staff").status_code == 200


def test_a_repeated_key_of_somebody_else_replays_nothing(world: World, settings: Any) -> None:
    """The key is the client's own word: only together with who sends it, it names a purchase."""
    settings.SANDBOX_PSP_URL = "http://127.0.0.1:9"
    holding, headers = world.carts[0], {"Idempotency-Key": "the same"}
    body = {**CHECKOUT, "expected_total": {"amount": "60.00"}, "payments": [{"method": "pix"}]}
    mine = call(world.owner, "POST /checkout", holding.ids, body=body, headers=headers)
    assert mine.status_code == 202  # nobody listens there, so that the order waits
    for client, given in ((guest(), {}), (guest(), {"X-Cart-Token": world.ids["spare_token"]}), (world.stranger, {})):
        answer = call(client, "POST /checkout", holding.ids, body=body, headers={**headers, **given})
        assert answer.status_code == 404
        assert mine.json()["id"] not in answer.content.decode()


def test_looking_at_an_order_gives_staff_no_key_to_cancel_it(world: World) -> None:
    staff = client_of(is_staff=True, scopes=frozenset({"order.view_order"}))
    for holding in world.orders:
        seen = call(staff, "GET /orders/{order_id}", holding.ids).json()
        assert seen["access_token"] == ""
        assert call(holding.client, "GET /orders/{order_id}", holding.ids, headers=holding.headers).json()[
            "access_token"
        ] == access_token(UUID(holding.ids["order_id"]))
        answer = call(staff, "POST /orders/{order_id}/cancel", holding.ids, body={"reason": "x"},
                      headers={"X-Order-Token": seen["access_token"]})  # fmt: skip
        assert answer.status_code == 404
