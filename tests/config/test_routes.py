from importlib import import_module

import pytest
from django.urls import Resolver404, URLPattern, resolve

from config.routes import BACK_OFFICE, INSIDE, Ambiguous, Endpoint, Owner, Route, nearest, offered, routes, table
from ecommerce.topology import current
from tests.config.addresses import CLOSED, example

CART, CATALOG = Owner("cart", limited=True), Owner("catalog", limited=True)
UNLISTED = ("static/<path:path>", "media/<path:path>", "accounts/<path:path>")


def endpoint(pattern: str, owner: Owner, *, authenticated: bool = False) -> Endpoint:
    prefix = tuple(part for part in pattern.split("/") if "<" not in part)
    return Endpoint(pattern, prefix, owner, authenticated)


ROWS = {tuple(filter(None, route.path.split("/"))): route for route in routes()}


def row_of(path: str) -> Route | None:
    found = nearest(ROWS, tuple(filter(None, path.split("/"))))
    return None if found is None else ROWS[found]


def test_every_pattern_leads_to_its_owner() -> None:
    for each in offered():
        row = row_of(example(each.pattern))
        assert row is not None, each.pattern
        assert row.owner == each.owner, each.pattern


def test_every_address_of_an_example_exists() -> None:
    for each in offered():
        if each.pattern not in UNLISTED:
            assert resolve(example(each.pattern)), each.pattern


@pytest.mark.parametrize("context", [context.name for context in current().contexts])
def test_every_pattern_of_a_context_is_its_own(context: str) -> None:
    patterns = import_module(f"contexts.{context}.urls").urlpatterns
    theirs = {f"api/v1/{each.pattern}" for each in patterns if isinstance(each, URLPattern)}

    assert theirs
    assert theirs <= {each.pattern for each in offered() if each.owner.name == context}


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/", BACK_OFFICE),
        ("/admin/", BACK_OFFICE),
        ("/accounts/login/", BACK_OFFICE),
        ("/api/docs/", BACK_OFFICE),
        ("/api/schema/", BACK_OFFICE),
        ("/api/v1/no-such-thing", BACK_OFFICE),
        ("/static/a.css", BACK_OFFICE),
        ("/media/a.png", BACK_OFFICE),
        ("/_allauth/app/v1/auth/login", "identity"),
        ("/.well-known/jwks.json", "identity"),
        ("/api/v1/me", "identity"),
        ("/api/v1/me/addresses", "identity"),
        ("/api/v1/me/favourites", "catalog"),
        ("/api/v1/me/notification-preferences", "notification"),
        ("/api/v1/products/x/reviews", "catalog"),
    ],
)
def test_an_address_leads_to(path: str, owner: str) -> None:
    row = row_of(path)

    assert row is not None
    assert row.owner.name == owner


@pytest.mark.parametrize("path", [*CLOSED, "/no-such-page"])
def test_what_is_inside_stays_inside(path: str) -> None:
    assert row_of(path) is None


def test_what_the_platform_offers_to_operators_is_inside() -> None:
    patterns = import_module("ecommerce.observability.urls").urlpatterns

    assert {str(each.pattern).split("/")[0] for each in patterns} <= INSIDE


def test_a_part_of_another_owner_has_its_own_row() -> None:
    rows = table(
        [endpoint("a/b", CART), endpoint("a/c", CART), endpoint("a/b/d/<int:x>", CATALOG), endpoint("z", CART)]
    )

    assert [(row.path, row.owner.name) for row in rows] == [
        ("/a/b", "cart"),
        ("/a/b/d", "catalog"),
        ("/a/c", "cart"),
        ("/z", "cart"),
    ]


def test_parts_of_one_owner_share_a_row() -> None:
    rows = table([endpoint("a/b", CART), endpoint("a/c/<int:x>", CART), endpoint("z", CATALOG)])

    assert rows == [Route("/a", CART), Route("/z", CATALOG)]


def test_one_prefix_of_two_owners_is_refused() -> None:
    with pytest.raises(Ambiguous, match="/a belongs to cart, catalog"):
        table([endpoint("a/<int:x>", CART), endpoint("a/<int:x>", CATALOG), endpoint("z", CART)])


def test_a_token_is_asked_for_where_nobody_gets_in_without() -> None:
    rows = table([endpoint("a/b", CART, authenticated=True), endpoint("a/<int:x>", CART), endpoint("z", CART)])

    assert [row.authenticated for row in rows] == [False, False]
    assert {row.path for row in routes() if row.authenticated} >= {"/api/v1/me", "/api/v1/me/favourites"}
    assert not {row.path for row in routes() if row.authenticated} & {"/api/v1/products", "/api/v1/carts", "/_allauth"}


def test_reports_of_payment_gateways_are_not_counted() -> None:
    row = row_of("/api/v1/payments/webhooks/sandbox")

    assert row is not None
    assert row.owner == Owner("order", limited=False)


def test_an_address_that_is_not_there_does_not_resolve() -> None:
    with pytest.raises(Resolver404):
        resolve("/no-such-page")
