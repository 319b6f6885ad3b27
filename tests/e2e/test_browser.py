"""What a person sees: the front page, the API documentation and the back office, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.stack import Stack, running

pytestmark = pytest.mark.timeout(300)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
CONTEXTS = ["Contas", "Catálogo", "Carrinho", "Promoções", "Pedidos", "Mensagens"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's chromium, or name one in CHROMIUM")
    with running(demo=True, web_workers=1, DEBUG="1") as started:
        yield started


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(base_url=stack.url, locale="pt-BR")
        browser.close()


def test_the_front_page_shows_every_context_alive_and_leads_on(page: Page) -> None:
    outside: list[str] = []
    page.on("request", lambda request: None if "127.0.0.1" in request.url else outside.append(request.url))

    page.goto("/")

    for name in CONTEXTS:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("tudo funcionando")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Explorar a API").click()
    expect(page.get_by_text("/api/v1/checkout").first).to_be_visible(timeout=30_000)
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []


def test_staff_logs_in_and_finds_orders_and_sagas(page: Page) -> None:
    page.goto("/admin/")
    page.locator("input[name=login], input[name=username]").fill("admin@loja.example")
    page.locator("input[name=password]").fill("loja-demo-2026")
    page.locator("input[name=password]").press("Enter")

    expect(page.get_by_text("Administração").first).to_be_visible()
    for path in ("/admin/order/order/", "/admin/saga/sagainstance/", "/admin/catalog/product/"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        expect(page.locator("#changelist")).to_be_visible()
