from typing import Any

import pytest
from django.contrib.admin.checks import check_dependencies
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import translation
from django.utils.translation import gettext
from pytest_django import Settings


def show(request: HttpRequest) -> HttpResponse:
    seen = [name for name in ("session", "user", "_messages") if hasattr(request, name)]
    return HttpResponse(f"{','.join(seen)} {translation.get_language()} {gettext('Yes')}")


urlpatterns = [
    path("api/v1/things", show),
    path("api/v1/fails", lambda request: 1 / 0),  # type: ignore[arg-type,return-value]
    path("admin/things", show),
    path("accounts/things", show),
]


@pytest.fixture(autouse=True)
def routes(settings: Settings) -> Any:
    settings.ROOT_URLCONF = __name__
    yield
    translation.deactivate()


def test_a_program_pays_for_no_session(client: Client) -> None:
    assert client.get("/api/v1/things").content.decode().startswith(" ")


@pytest.mark.parametrize("url", ["/admin/things", "/accounts/things"])
def test_people_have_session_login_and_messages(client: Client, url: str) -> None:
    assert client.get(url).content.decode().startswith("session,user,_messages ")


def test_the_checks_of_the_admin_see_what_they_look_for() -> None:
    assert check_dependencies() == []


@pytest.mark.parametrize(
    ("header", "answer"), [("", "pt-br Sim"), ("en-GB", "en Yes"), ("fr, en;q=0.1", "en Yes"), ("pt-BR", "pt-br Sim")]
)
@pytest.mark.parametrize("url", ["/api/v1/things", "/admin/things"])
def test_the_language_is_that_of_the_client(client: Client, url: str, header: str, answer: str) -> None:
    assert client.get(url, headers={"Accept-Language": header}).content.decode().endswith(answer)


def test_the_language_of_one_request_is_not_that_of_the_next(client: Client) -> None:
    client.get("/admin/things", headers={"Accept-Language": "en"})

    assert client.get("/api/v1/things").content.decode().endswith("pt-br Sim")


def test_pages_cannot_be_framed(client: Client) -> None:
    assert client.get("/api/v1/things").headers["X-Frame-Options"] == "DENY"


def test_a_failing_view_answers_a_problem(client: Client) -> None:
    client.raise_request_exception = False
    response = client.get("/api/v1/fails")

    assert response.status_code == 500
