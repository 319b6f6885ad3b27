"""The events page by a real client: for whom it is, what it says, how it is kept fresh."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from config import event_pages, flow
from config.event_pages import _count, _rate, _seconds
from ecommerce import clock
from tests.config.archived import ALIASES, all_databases, held, parked, remote
from tests.config.test_flow import relay_seen, went_through
from tests.contexts.identity.factories import UserFactory
from tests.ecommerce.back_office import logged_in, text_of

pytestmark = all_databases
VIEW = "outbox.view_outboxevent"
PAGE, FIGURES = "/admin/eventos/", "/admin/eventos/figures.json"


@pytest.fixture
def looking() -> Client:
    return logged_in(VIEW)


def everything_runs() -> None:
    for alias in ALIASES:
        relay_seen(alias, ago=0)


@pytest.mark.parametrize("address", [PAGE, FIGURES])
def test_only_staff_with_the_permission_sees_it(address: str, looking: Client) -> None:
    assert looking.get(address).status_code == 200
    assert logged_in("inbox.view_parkedmessage").get(address).status_code == 403
    anonymous = Client().get(address)
    assert (anonymous.status_code, anonymous.headers["Location"]) == (302, f"{reverse('admin:login')}?next={address}")
    customer = Client()
    customer.force_login(UserFactory(is_staff=False, is_superuser=True))
    assert customer.get(address).status_code == 302
    assert looking.post(address).status_code == 405


def test_nothing_is_asked_of_the_databases_for_somebody_who_may_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    client = logged_in("inbox.view_parkedmessage")
    monkeypatch.setattr(flow, "take", None)
    assert client.get(FIGURES).status_code == 403


def test_the_page_is_a_table_without_javascript(looking: Client) -> None:
    everything_runs()
    went_through("cart", clock.now().replace(second=0, microsecond=0) - timedelta(minutes=2), duplicates=7)
    text = text_of(looking.get(PAGE))
    assert "Tudo em dia" in text
    for title in ("Contas", "Catálogo", "Carrinho", "Promoções", "Pedidos", "Mensagens", "Leases perdidos"):
        assert title in text
    assert " 7 " in text


def test_what_waits_for_a_person_is_said_and_leads_there(looking: Client) -> None:
    everything_runs()
    parked()
    answer = looking.get(PAGE)
    assert "Espera uma pessoa: Carrinho" in text_of(answer)
    assert reverse("admin:inbox_parkedmessage_changelist") + "?context=cart&amp;status__exact=PARKED" in answer.text
    assert "status__exact=RETRY" not in answer.text


@pytest.mark.parametrize("state", ["late", "person", "stopped", "down", "away"])
def test_every_state_is_said(state: str, looking: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if state != "stopped":
        everything_runs()
    if state == "late":
        held("PENDING")
    if state == "person":
        held("PARKED")
    if state == "away":
        remote(settings, "cart")
    if state == "down":

        def refuse(*_: object, **__: object) -> None:
            raise OperationalError("gone")

        monkeypatch.setattr(flow, "history", refuse)
        monkeypatch.setattr(flow, "connections", {alias: SimpleNamespace(close=int) for alias in ALIASES})
    assert event_pages.STATES[state] in text_of(looking.get(PAGE)).lower()


def test_fresh_figures_come_with_the_series_of_the_charts(looking: Client) -> None:
    everything_runs()
    body = looking.get(f"{FIGURES}?janela=6h").json()
    assert len(body["times"]) == 72
    assert body["series"].keys() == set(ALIASES)
    assert {len(body["series"]["cart"][name]) for name in ("waiting", "published", "handled", "seconds")} == {72}
    assert body["table"].count("<tr data-context=") == len(ALIASES)
    assert len(looking.get(f"{FIGURES}?janela=1000y").json()["times"]) == 60


def test_a_refresh_costs_three_statements_a_context_and_those_of_the_login(looking: Client, statements: Any) -> None:
    looking.get(FIGURES)
    counts = []
    for number in (1, 20):
        for version in range(number):
            held("PENDING", version=version)
            parked()
        with statements() as executed:
            assert looking.get(FIGURES).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 3 * len(ALIASES) + 4


def test_the_index_and_the_sidebar_lead_to_it(looking: Client) -> None:
    assert looking.get("/admin/").text.count(f'href="{PAGE}"') == 2
    assert f'href="{PAGE}"' not in logged_in("inbox.view_parkedmessage").get("/admin/").text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (_count(0), "0"), (_count(9_999), "9.999"), (_count(10_000), "10.000+"),
        (_rate(None), "–"), (_rate(0), "0"), (_rate(0.0333), "0,03"), (_rate(12.34), "12,3"), (_rate(2184.4), "2.184"),
        (_seconds(None), "–"), (_seconds(0.0451), "45 ms"), (_seconds(4.25), "4,2 s"), (_seconds(95), "95 s"),
        (_seconds(600), "10 min"), (_seconds(90_000), "25 h"),
    ],
)  # fmt: skip
def test_figures_are_written_as_people_here_do(shown: str, text: str) -> None:
    assert shown == text
