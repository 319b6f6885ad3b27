from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from config.unfold import sidebar


def app(label: str, *models: str) -> dict[str, Any]:
    return {"app_label": label, "models": [{"name": name, "admin_url": f"/admin/{label}/{name}/"} for name in models]}


def groups(monkeypatch: pytest.MonkeyPatch, *apps: dict[str, Any]) -> dict[str, list[str]]:
    monkeypatch.setattr(admin.site, "get_app_list", lambda request: list(apps))
    request = HttpRequest()
    request.user = AnonymousUser()
    return {group["title"]: [item["title"] for item in group["items"]] for group in sidebar(request)}


def test_models_are_grouped_by_context_in_the_order_of_daily_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = groups(monkeypatch, app("catalog", "products"), app("saga", "sagas"), app("order", "orders", "payments"))

    assert list(shown.items()) == [
        ("Pedidos", ["orders", "payments"]),
        ("Catálogo", ["products"]),
        ("Plataforma", ["sagas"]),
    ]


def test_accounts_of_third_parties_stand_with_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = groups(monkeypatch, app("auth", "groups"), app("identity", "users"), app("mfa", "authenticators"))

    assert shown == {"Clientes e equipe": ["users", "groups", "authenticators"]}


def test_nothing_that_is_registered_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert groups(monkeypatch, app("somebodys_app", "things")) == {"Plataforma": ["things"]}


def test_what_a_person_may_not_open_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = {"app_label": "order", "models": [{"name": "orders", "admin_url": None}]}

    assert groups(monkeypatch, closed) == {}
