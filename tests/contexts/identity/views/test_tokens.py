"""Refresh tokens: each works once, and one that comes back ends its family."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contexts.identity.adapters.sessions import SessionStore
from contexts.identity.models import Session, User
from ecommerce.clock import now
from ecommerce.http.authentication import verify
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

URL = "/_allauth/app/v1/tokens/refresh"


def tokens_of(client: Client, user: User) -> dict[str, str]:
    body = {"email": user.email, "password": PASSWORD}
    answer = client.post("/_allauth/app/v1/auth/login", body, content_type="application/json")
    tokens: dict[str, str] = answer.json()["meta"]
    return tokens


def refresh(client: Client, token: str) -> Any:
    return client.post(URL, {"refresh_token": token}, content_type="application/json")


def test_a_refresh_token_is_swapped_for_a_new_pair(client: Client) -> None:
    ana = UserFactory()
    first = tokens_of(client, ana)
    answer = refresh(client, first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()["data"]
    assert verify(second["access_token"])[0].id == ana.id
    assert second["refresh_token"] != first["refresh_token"]
    assert refresh(client, second["refresh_token"]).status_code == 200


def test_a_token_that_comes_back_ends_the_whole_family(client: Client) -> None:
    first = tokens_of(client, UserFactory())
    second = refresh(client, first["refresh_token"]).json()["data"]
    assert refresh(client, first["refresh_token"]).status_code == 400
    assert not Session.objects.exists()
    assert refresh(client, second["refresh_token"]).status_code == 400
    me = client.get("/_allauth/app/v1/auth/session", headers={"Authorization": f"Bearer {second['access_token']}"})
    assert me.status_code == 410


def test_other_devices_are_not_touched(client: Client) -> None:
    ana = UserFactory()
    phone, laptop = tokens_of(client, ana), tokens_of(client, ana)
    refresh(client, phone["refresh_token"])
    refresh(client, phone["refresh_token"])
    assert refresh(client, laptop["refresh_token"]).status_code == 200


def test_the_new_access_token_knows_what_has_changed(client: Client) -> None:
    ana = UserFactory(verified=False)
    first = tokens_of(client, ana)
    ana.emailaddress_set.update(verified=True)
    User.objects.filter(pk=ana.pk).update(is_staff=True, is_superuser=True)
    principal, _ = verify(refresh(client, first["refresh_token"]).json()["data"]["access_token"])
    assert (principal.email_verified, principal.is_staff, principal.has_scope("any.thing")) == (True, True, True)


def test_a_closed_account_gets_no_new_token(client: Client) -> None:
    ana = UserFactory()
    tokens = tokens_of(client, ana)
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert refresh(client, tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("kind", ["access", "forged", "expired"])
def test_what_is_no_live_refresh_token_is_refused_and_ends_nothing(client: Client, settings: Any, kind: str) -> None:
    if kind == "expired":
        settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = -1
    tokens = tokens_of(client, UserFactory())
    token = {
        "access": tokens["access_token"],
        "forged": tokens["refresh_token"][:-8] + "AAAAAAAA",
        "expired": tokens["refresh_token"],
    }[kind]
    assert refresh(client, token).status_code == 400
    assert Session.objects.count() == 1


def test_a_request_that_began_before_an_exchange_does_not_bring_the_old_token_back(client: Client) -> None:
    first = tokens_of(client, UserFactory())
    slow = SessionStore(Session.objects.get().session_key)
    slow["began"] = "before"
    second = refresh(client, first["refresh_token"]).json()["data"]
    slow.save()
    third = refresh(client, second["refresh_token"])
    assert third.status_code == 200
    assert refresh(client, first["refresh_token"]).status_code == 400
    assert refresh(client, third.json()["data"]["refresh_token"]).status_code == 400


def test_a_request_whose_session_was_ended_is_told_so(client: Client) -> None:
    tokens_of(client, UserFactory())
    slow = SessionStore(Session.objects.get().session_key)
    slow["began"] = "before"
    Session.objects.all().delete()
    with pytest.raises(SessionInterrupted):
        slow.save()


def test_a_refresh_keeps_the_session_alive(client: Client) -> None:
    tokens = tokens_of(client, UserFactory())
    soon = now() + timedelta(minutes=1)
    Session.objects.update(expire_date=soon)
    assert refresh(client, tokens["refresh_token"]).status_code == 200
    assert Session.objects.get().expire_date > soon + timedelta(days=13)


def test_a_refresh_takes_few_statements(client: Client) -> None:
    tokens = tokens_of(client, UserFactory())
    with CaptureQueriesContext(connections["identity"]) as queries:
        refresh(client, tokens["refresh_token"])
    assert sum("SAVEPOINT" not in query["sql"] for query in queries) == 4


@pytest.mark.django_db(databases=["identity"], transaction=True)
def test_of_parallel_uses_one_wins_and_the_family_ends() -> None:
    tokens = tokens_of(Client(), UserFactory())
    ready = Barrier(6)

    def use(_: int) -> Any:
        client = Client()
        ready.wait()
        try:
            return refresh(client, tokens["refresh_token"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(use, range(6)))
    winners = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert not Session.objects.exists()
    assert refresh(Client(), winners[0]["refresh_token"]).status_code == 400
