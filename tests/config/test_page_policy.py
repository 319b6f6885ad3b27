"""What every class of answer tells browsers, and which other origins may read the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client
from pytest_django import Settings

from ecommerce.topology import local_aliases
from tests.contexts.identity.factories import UserFactory

pytestmark = pytest.mark.django_db(databases=list(local_aliases()))
SHOP = "https://shop.example"
EVERYWHERE = [
    "/", "/api/v1/products", "/api/v1/me", "/api/v1/no-such-thing", "/api/docs/", "/api/docs/?script=", "/api/schema/",
    "/api/v1/unsubscribe/a:b", "/admin/", "/admin/login/", "/no-such-page", "/_allauth/app/v1/auth/session",
    "/_allauth/app/v1/config", "/.well-known/jwks.json", "/health", "/live", "/metrics", "/static/config/icon.svg",
]  # fmt: skip


@pytest.fixture
def https(settings: Settings) -> Client:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    return Client(raise_request_exception=False)


def directives(answer: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, _, sources in parts}


@pytest.mark.parametrize("url", EVERYWHERE)
def test_every_answer_says_what_browsers_may_do_with_it(https: Client, url: str) -> None:
    answer = https.get(url, secure=True)
    policy = directives(answer)

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert "'unsafe-inline'" not in policy.get("script-src", policy["default-src"])
    assert "Server" not in answer.headers
    answer.close()


def test_an_answer_that_failed_says_the_same(https: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contexts.catalog.queries.products.category_tree", lambda: 1 / 0)
    answer = https.get("/api/v1/categories", secure=True)

    assert answer.status_code == 500
    assert directives(answer)["default-src"] == "'none'"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_what_is_no_page_of_ours_loads_nothing(https: Client) -> None:
    assert directives(https.get("/api/v1/products"))["default-src"] == "'none'"


def test_only_the_back_office_evaluates(https: Client) -> None:
    https.force_login(UserFactory(is_staff=True, is_superuser=True))
    answers = {url: https.get(url) for url in EVERYWHERE if not url.startswith("/static/")}
    evaluating = {url for url in answers if "'unsafe-eval'" in directives(answers[url]).get("script-src", "")}

    assert {url for url in evaluating if not url.startswith(configured.BACK_OFFICE_PREFIXES)} == set()
    assert "/admin/" in evaluating


@pytest.mark.parametrize(
    "url", ["/api/v1/me", "/_allauth/app/v1/auth/session", "/admin/", "/api/v1/me/addresses", "/api/v1/orders"]
)
def test_what_is_about_somebody_stays_out_of_caches(https: Client, url: str) -> None:
    https.force_login(UserFactory(is_staff=True, is_superuser=True))

    assert "no-store" in https.get(url).headers.get("Cache-Control", "")


def test_a_page_of_the_back_office_may_be_opened_by_its_own_forms_only(https: Client) -> None:
    assert directives(https.get("/admin/login/"))["form-action"] == "'self'"
    assert directives(https.get("/api/v1/products"))["form-action"] == "'none'"


# --- other origins ---------------------------------------------------------------------------------------------------
def preflight(origin: str, path: str = "/api/v1/products") -> Any:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-cart-token"}
    return Client().options(path, headers={"Origin": origin, **asked})


def test_no_other_origin_reads_the_api_unless_somebody_says_so(client: Client) -> None:
    for answer in (client.get("/api/v1/products", headers={"Origin": SHOP}), preflight(SHOP)):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_named_origin_reads_the_api_without_cookies(client: Client, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    for answer in (client.get("/api/v1/products", headers={"Origin": SHOP}), preflight(SHOP)):
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "origin" in answer.headers["Vary"].lower()
    assert "x-cart-token" in preflight(SHOP).headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "null", "https://evil.example", "http://shop.example", "https://shop.example.evil.example",
        "https://evil-shop.example", "https://shop.example:8443", "https://SHOP.example.", "",
    ],
)  # fmt: skip
def test_an_origin_that_only_looks_like_it_reads_nothing(client: Client, settings: Settings, origin: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    for answer in (client.get("/api/v1/products", headers={"Origin": origin}), preflight(origin)):
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/admin/login/", "/metrics", "/", "/status.json"])
def test_the_back_office_is_for_no_other_origin_at_all(settings: Settings, path: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]

    assert "Access-Control-Allow-Origin" not in preflight(SHOP, path).headers
