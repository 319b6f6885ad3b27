"""What attackers send: refused in order, with nothing changed and nothing told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from contexts.identity.models import User
from ecommerce.topology import local_aliases
from tests.e2e.test_ownership import CHECKOUT, SCOPES, World, call, client_of, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=list(local_aliases()))
CARD = {"brand": "visa", "last4": "1111", "expiry_month": 12, "expiry_year": 2050}
NUL = "a\\u0000b"


def raw(client: Any, method: str, path: str, body: str, **headers: str) -> Any:
    return client.generic(method, f"/api/v1{path}", body, content_type="application/json", headers=headers)


def staff() -> Any:
    return client_of(is_staff=True, scopes=frozenset({"*"}))


# --- values that a database or a calculation chokes on ---------------------------------------------------------------
@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "9" * 40, "-0.01", "0x10", "sNaN"]
)
def test_what_is_no_amount_of_money_is_refused(world: World, amount: str) -> None:  # noqa: F811
    for body in (f'{{"price": {{"amount": "{amount}"}}}}', f'{{"price": {{"amount": {amount}}}}}'):
        answer = raw(staff(), "PUT", f"/variants/{world.ids['variant_id']}/price", body)
        assert answer.status_code == 400, answer.content


@pytest.mark.parametrize(
    "quantity", ["-1", "0", "1000000000000000000000", "1e400", "1.5", "NaN", "true", '"x"', "null"]
)
def test_what_is_no_quantity_is_refused(world: World, quantity: str) -> None:  # noqa: F811
    holding = world.carts[0]
    body = f'{{"variant_id": "{world.ids["variant_id"]}", "quantity": {quantity}}}'
    assert raw(holding.client, "POST", f"/carts/{holding.ids['cart_id']}/lines", body).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/products/{product_id}", f'{{"attributes": {{"x": {{"y": "{NUL}"}}}}}}'),
        ("PATCH", "/products/{product_id}", f'{{"attributes": {{"{NUL}": 1}}}}'),
        ("PATCH", "/products/{product_id}", f'{{"name": "{NUL}"}}'),
        ("PATCH", "/products/{product_id}", '{"attributes": {"x": 1e400}}'),
        ("PATCH", "/products/{product_id}", '{"options": [{}]}'),
        ("PATCH", "/products/{product_id}", '{"media": [{}]}'),
        ("PATCH", "/variants/{variant_id}", f'{{"options": {{"{NUL}": "x"}}}}'),
        ("POST", "/message-templates/{product_id}/preview", f'{{"values": {{"a": "{NUL}"}}}}'),
        ("POST", "/coupons", f'{{"code": "{NUL}"}}'),
        ("POST", "/catalog-imports", "a,b\\n\\u0000,1"),
        ("PATCH", "/products/{product_id}", '{"name": "\\ud800"}'),
        ("PATCH", "/products/{product_id}", "[" * 200_000),
        ("PATCH", "/products/{product_id}", '{"name": ' * 70 + "1" + "}" * 70),
        ("PATCH", "/products/{product_id}", "\\xff\\xfe"),
    ],
)  # fmt: skip
def test_text_that_no_column_takes_is_refused(world: World, method: str, path: str, body: str) -> None:  # noqa: F811
    answer = raw(staff(), method, path.format_map(world.ids), body, **{"If-Match": "*"})

    assert answer.status_code in (400, 404, 415, 422), answer.content


@pytest.mark.parametrize(
    "path", ["/products/%00", "/coupons/%00", "/cep/%00", "/unsubscribe/%00", "/coupons/%ff%fe/usage"]
)
def test_an_address_that_no_column_takes_does_not_exist(path: str) -> None:
    assert staff().get(f"/api/v1{path}").status_code in (400, 404, 422)


def test_a_body_beyond_the_limit_is_not_read(world: World) -> None:  # noqa: F811
    for path in ("/carts", "/payments/webhooks/sandbox"):
        assert raw(world.owner, "POST", path, "x" * 3_000_000).status_code == 413


# --- what is not theirs to say ---------------------------------------------------------------------------------------
def test_a_profile_takes_no_powers(world: World) -> None:  # noqa: F811
    powers = '{"full_name": "Ana", "is_staff": true, "is_superuser": true, "email": "x@y.z", "email_verified": true}'
    assert raw(world.owner, "PATCH", "/me", powers).status_code == 200
    ana = User.objects.get(pk=world.owner_id)
    assert (ana.is_staff, ana.is_superuser, ana.email) == (False, False, "ana@example.com")


def test_a_cart_takes_neither_prices_nor_an_owner_from_its_client(world: World) -> None:  # noqa: F811
    line = {"variant_id": world.ids["variant_id"], "quantity": 1, "unit_price": {"amount": "0.01"}, "price": "0.01"}
    body = {"lines": [line], "customer_id": world.owner_id, "status": "converted"}
    cart = call(world.stranger, "POST /carts", {}, body=body).json()
    assert cart["lines"][0]["unit_price"]["amount"] == "50.00"
    assert (cart["customer_id"] == world.owner_id, cart["status"]) == (False, "open")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/", "http://testserver.evil.example/", "javascript:alert(1)", "//evil.example/",
        "http://localhost:8000@evil.example/", "http://localhost:8000.evil.example", "http:\\\\evil.example",
    ],
)  # fmt: skip
def test_a_payment_leads_back_to_the_shop_only(world: World, url: str) -> None:  # noqa: F811
    body = {**CHECKOUT, "return_url": url}
    answer = call(world.owner, "POST /checkout", world.carts[0].ids, body=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/return_url")


@pytest.mark.parametrize("number", ["4111111111111111", "4111 1111 1111 1111", "9" * 30, "4111.1111.1111.1111"])
def test_no_number_of_a_card_is_kept(world: World, number: str) -> None:  # noqa: F811
    answer = call(world.owner, "POST /me/cards", {}, body={**CARD, "token": number})
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    assert number not in answer.content.decode()


@pytest.mark.parametrize("number", ["4111.1111.1111.1111", "tok 4111111111111111", "4111 1111 1111 1111"])
@pytest.mark.parametrize("method", ["card_token", "card_brand", "voucher_code"])
def test_no_number_of_a_card_is_paid_with(world: World, method: str, number: str) -> None:  # noqa: F811
    payment = {"method": "voucher" if method == "voucher_code" else "card", "card_token": "tok_visa", method: number}
    body = {**CHECKOUT, "payments": [payment]}
    answer = call(world.owner, "POST /checkout", world.carts[0].ids, body=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 400
    assert [error["code"] for error in answer.json()["errors"]] == ["card_number_refused"]
    assert number not in answer.content.decode()


# --- what a header can make us say -----------------------------------------------------------------------------------
def test_links_name_no_host_that_a_client_made_up(world: World, settings: Settings) -> None:  # noqa: F811
    assert Client().get("/api/v1/products?limit=1", headers={"Host": "evil.example"}).status_code == 400
    spoofed = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Original-URL": "/admin/"}
    answer = Client().get("/api/v1/products?limit=1", headers=spoofed)
    assert answer.status_code == 200
    assert "evil.example" not in answer.content.decode()


@pytest.mark.parametrize("url", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_the_door_of_the_back_office_leads_nowhere_else(url: str) -> None:
    from tests.contexts.identity.factories import PASSWORD, UserFactory

    boss = UserFactory(is_staff=True, is_superuser=True)
    answer = Client().post("/admin/login/", {"username": boss.email, "password": PASSWORD, "next": url})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/a")


def test_the_scopes_of_the_table_are_real(world: World) -> None:  # noqa: F811
    from django.contrib.auth.models import Permission

    known = {f"{label}.{code}" for label, code in Permission.objects.values_list("content_type__app_label", "codename")}
    assert SCOPES - known == set()


# --- at the door of the accounts, where django-allauth reads the bodies ----------------------------------------------
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("auth/login", '{"email": "a@b.co", "password": "\\ud800"}'),
        ("auth/signup", '{"email": "a@b.co", "password": "longo-e-seguro-9", "full_name": "\\ud800"}'),
        ("tokens/refresh", '{"refresh_token": "\\ud800"}'),
        ("auth/login", "[" * 100_000),
        ("auth/login", '{"email": ' * 70 + "1" + "}" * 70),
        ("auth/login", "x" * 3_000_000),
    ],
)
def test_a_body_that_the_api_refuses_is_refused_at_the_door(path: str, body: str) -> None:
    answer = Client().post(f"/_allauth/app/v1/{path}", body, content_type="application/json")

    assert answer.status_code in (400, 413), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/carts/{cart_id}/contact"), ("POST", "/checkout")])
def test_an_address_that_grows_in_small_letters_is_refused(world: World, method: str, path: str) -> None:  # noqa: F811
    address = "İ" * 200 + "@example.com"
    cart = raw(world.owner, "POST", "/carts", "{}").json()["id"]
    body = {"email": address} if method == "PUT" else {**CHECKOUT, "cart_id": cart, "email": address}
    headers = {"Idempotency-Key": "grows", "If-Match": "*"}
    answer = raw(world.owner, method, path.format(cart_id=cart), json.dumps(body), **headers)

    assert answer.status_code == 400, answer.content
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/email"}
