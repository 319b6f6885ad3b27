"""``make run-services``: six services come up, sell and stop together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.apps import apps

from config.running import DEMO_PASSWORD
from tests.e2e.replay import books
from tests.e2e.stack import BACK_OFFICE, CONTEXTS, Shape, Stack, new_folder, running
from tests.e2e.test_run import await_mail, buy, interrupt

pytestmark = pytest.mark.timeout(900)
CLOSED = ("/internal/catalog/v1/get_variants", "/health", "/ready", "/live", "/metrics")
OPEN = {
    "/": BACK_OFFICE,
    "/admin/login/": BACK_OFFICE,
    "/api/docs/": BACK_OFFICE,
    "/static/config/home.css": BACK_OFFICE,
    "/.well-known/jwks.json": "identity",
    "/api/v1/products": "catalog",
}
"""Addresses that answer anybody, and whose they are."""
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_six_services_sell_and_stop(folder: Path) -> None:
    with running(demo=True, folder=folder, shape=Shape.SERVICES) as stack:
        order = buy(stack)
        assert order["status"] == "confirmed"
        await_mail(folder)
        leads_only_to_what_is_open(stack)
        staff_finds(stack, order)
        each_context_is_in_its_own_database(stack)
        interrupt(stack)


def leads_only_to_what_is_open(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=30) as outside:
        assert {path: outside.get(path).status_code for path in OPEN} == dict.fromkeys(OPEN, 200)
        assert {outside.get(path).status_code for path in CLOSED} == {404}
        answer = outside.get("/api/v1/products?limit=1", headers={"X-Correlation-ID": "of-this-test-1234"})
    assert answer.headers["X-Correlation-ID"] == "of-this-test-1234"
    for path, owner in OPEN.items():
        elsewhere = {name for name, url in stack.services.items() if httpx.get(f"{url}{path}").status_code == 200}
        assert elsewhere == ({owner} if path != "/.well-known/jwks.json" else set(stack.services))


def staff_finds(stack: Stack, order: dict[str, object]) -> None:
    """Log in at the back office and look at what six services have written."""
    with httpx.Client(base_url=stack.url, timeout=30, follow_redirects=True) as browser:
        form = TOKEN.search(browser.get("/admin/login/").text)
        assert form is not None
        login = {"username": "admin@loja.example", "password": DEMO_PASSWORD, "csrfmiddlewaretoken": form[1]}
        browser.post("/admin/login/?next=/admin/", data=login, headers={"Referer": f"{stack.url}/admin/login/"})
        assert str(order["number"]) in browser.get("/admin/order/order/").text
        for page in ("/admin/catalog/product/", "/admin/identity/user/", "/admin/notification/message/",
                     "/admin/promotion/coupon/", "/admin/cart/cart/", "/admin/eventos/"):  # fmt: skip
            assert browser.get(page).status_code == 200, page


def each_context_is_in_its_own_database(stack: Stack) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    shared = "outbox_event", "inbox_message", "saga_instance"
    with books.opened(stack.environment, stack.var_dir) as opened:
        found = {context: {name for (name,) in opened.rows(context, tables)} for context in CONTEXTS}
        names = {context: opened.rows(context, "SELECT current_database()")[0][0] for context in CONTEXTS}
    assert names == {context: f"{context}_db" for context in CONTEXTS}
    for context in CONTEXTS:
        models = apps.get_app_config(context).get_models()
        own = {model._meta.db_table for model in models if model._meta.managed}
        assert own | set(shared) <= found[context]
        elsewhere = [other for other in CONTEXTS if other != context and own & found[other]]
        assert not elsewhere, f"tables of {context} are in the databases of {elsewhere}"
