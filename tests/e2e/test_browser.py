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


def log_in(page: Page) -> None:
    page.goto("/admin/")
    page.locator("input[name=login], input[name=username]").fill("admin@loja.example")
    page.locator("input[name=password]").fill("loja-demo-2026")
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_text("Administração do Site").first).to_be_visible()


def test_staff_logs_in_and_finds_orders_and_sagas(page: Page) -> None:
    log_in(page)
    for path in ("/admin/order/order/", "/admin/saga/sagainstance/", "/admin/catalog/product/"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        expect(page.locator("#changelist")).to_be_visible()


def test_the_events_page_draws_refreshes_and_rests_while_nobody_looks(page: Page) -> None:
    troubles: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url) if "figures.json" in request.url else None)
    log_in(page)
    page.locator("#content").locator("a[href='/admin/eventos/']").click()

    for name in CONTEXTS:
        expect(page.get_by_role("rowheader", name=name)).to_be_visible()
    expect(page.get_by_text("Tudo em dia")).to_be_visible(timeout=60_000)
    expect(page.locator("canvas")).to_have_count(4)
    drawn = "[...document.querySelectorAll('canvas')].map((each) => Chart.getChart(each)?.data.datasets.length)"
    assert page.evaluate(drawn) == [len(CONTEXTS)] * 4
    assert page.evaluate(
        "[...document.querySelectorAll('canvas')].every((each) =>"
        " each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some((value) => value > 0))"
    )
    page.get_by_role("link", name="10 minutos").click()
    counted = (
        "Chart.getChart(document.querySelector('canvas'))?.data.datasets.every("
        "(each) => each.data.some((value) => value !== null))"
    )
    page.wait_for_function(counted, timeout=60_000)

    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(1000)
    before = len(asked)
    page.wait_for_timeout(7000)
    assert len(asked) == before
    with page.expect_response(lambda response: "figures.json" in response.url, timeout=5_000):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    assert troubles == []


def test_the_events_page_fits_a_telephone_and_says_when_the_session_is_over(page: Page) -> None:
    log_in(page)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/admin/eventos/")
    expect(page.locator("canvas").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.context.clear_cookies()

    expect(page.get_by_text("Sua sessão terminou")).to_be_visible(timeout=15_000)


def test_without_javascript_the_events_page_is_a_table(stack: Stack, page: Page) -> None:
    log_in(page)
    cookies = page.context.storage_state()
    browser = page.context.browser
    assert browser is not None
    bare = browser.new_context(base_url=stack.url, java_script_enabled=False, storage_state=cookies).new_page()

    bare.goto("/admin/eventos/")

    expect(bare.get_by_role("rowheader", name="Pedidos")).to_be_visible()
    expect(bare.locator("tr[data-context] td")).to_have_count(12 * len(CONTEXTS))
    expect(bare.locator("canvas").first).to_be_hidden()


BACK_OFFICE = (
    "/admin/", "/admin/order/order/", "/admin/catalog/product/", "/admin/catalog/product/add/", "/admin/eventos/",
    "/admin/notification/template/", "/admin/saga/sagainstance/", "/admin/identity/user/", "/admin/password_change/",
    "/admin/inbox/replayrun/add/", "/admin/outbox/archivedevent/",
)  # fmt: skip


def complaints_of(page: Page) -> list[str]:
    """Collect what the browser complains about from now on: refused by a policy, not found, failed."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_no_page_is_stopped_by_its_own_policy(page: Page) -> None:
    complaints = complaints_of(page)
    page.goto("/")
    expect(page.get_by_text("tudo funcionando")).to_be_visible(timeout=30_000)
    page.goto("/api/docs/")
    page.get_by_text("/api/v1/categories").first.click(timeout=30_000)
    page.get_by_role("button", name="Try it out").first.click()
    page.get_by_role("button", name="Execute").first.click()
    expect(page.locator(".live-responses-table .response .response-col_status").first).to_contain_text(
        "200", timeout=30_000
    )
    log_in(page)
    for path in BACK_OFFICE:
        answer = page.goto(path, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200, path
    page.goto("/admin/catalog/product/")
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("input[name=name]")).to_be_visible()
    page.goto("/admin/notification/template/")
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("#content")).to_be_visible()
    page.goto(page.url.partition("?")[0].replace("/change/", "/look/"), wait_until="networkidle")
    expect(page.locator("iframe[srcdoc]")).to_be_visible()

    assert complaints == []


@pytest.mark.parametrize("path", ["/admin/catalog/product/", "/api/docs/"])
def test_a_script_that_somebody_gets_into_a_page_does_not_run(page: Page, path: str) -> None:
    log_in(page)
    page.goto(path, wait_until="networkidle")
    page.evaluate(
        """() => {
            const image = document.createElement("div");
            image.innerHTML = '<img src="data:," onerror="window.ran = 1"><a href="javascript:window.ran = 2">x</a>';
            document.body.append(image);
            const script = document.createElement("script");
            script.textContent = "window.ran = 3";
            document.body.append(script);
            const foreign = document.createElement("script");
            foreign.src = "http://127.0.0.1:9/x.js";
            document.body.append(foreign);
            image.querySelector("a").click();
        }"""
    )
    page.wait_for_timeout(500)

    assert page.evaluate("window.ran") is None
