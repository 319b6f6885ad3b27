"""Logging in and out, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contexts.identity.models import Session, User
from ecommerce.http.authentication import verify
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])


def log_in(auth: Callable[..., Any], user: User, password: str = PASSWORD, **headers: str) -> Any:
    return auth("auth/login", {"email": user.email, "password": password}, **headers)


def test_a_customer_logs_in_and_is_known_by_the_token(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    answer = auth("auth/login", {"email": ana.email.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    principal, _ = verify(answer.json()["meta"]["access_token"])
    assert (principal.id, principal.email_verified, principal.is_staff) == (ana.id, True, False)
    assert auth("auth/session", method="get", token=answer.json()["meta"]["access_token"]).status_code == 200


@pytest.mark.parametrize("verified", [True, False])
def test_login_takes_few_statements(auth: Callable[..., Any], verified: bool) -> None:
    ana = UserFactory(verified=verified)
    with CaptureQueriesContext(connections["identity"]) as queries:
        assert log_in(auth, ana).status_code == 200
    assert sum("SAVEPOINT" not in query["sql"] for query in queries) <= 8


def test_the_session_knows_the_device(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    log_in(auth, ana, **{"User-Agent": "Loja/1.0 (Android 14)"})
    session = Session.objects.get(user=ana)
    assert (session.ip, session.user_agent) == ("127.0.0.1", "Loja/1.0 (Android 14)")


def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(auth: Callable[..., Any]) -> None:
    wrong = log_in(auth, UserFactory(), "wrong-password")
    unknown = auth("auth/login", {"email": "nobody@example.com", "password": "wrong-password"})
    assert wrong.status_code == unknown.status_code == 400
    assert wrong.json()["errors"] == unknown.json()["errors"]
    assert wrong.json()["errors"][0]["code"] == "email_password_mismatch"


def test_a_closed_account_does_not_get_in(auth: Callable[..., Any]) -> None:
    answer = log_in(auth, UserFactory(is_active=False))
    assert answer.status_code == 401
    assert "access_token" not in answer.json()["meta"]


def test_guesses_at_one_account_are_limited_from_any_address(auth: Callable[..., Any], settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "", "login_failed": "3/5m/key"}
    ana, bia = UserFactory(), UserFactory()
    for _ in range(3):
        log_in(auth, ana, "wrong-password")
    blocked = log_in(auth, ana)
    assert blocked.status_code == 400
    assert blocked.json()["errors"][0]["code"] == "too_many_login_attempts"
    assert log_in(auth, bia).status_code == 200


def test_logins_of_one_address_are_limited_and_the_refusal_says_until_when(
    auth: Callable[..., Any], settings: Any
) -> None:
    settings.THROTTLE_RATES = {"login": "2/min"}
    answers = [log_in(auth, UserFactory()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "throttled"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == ("2", "0")
    assert answers[0].headers["RateLimit-Remaining"] == "1"


def test_every_door_that_takes_a_secret_is_behind_the_same_limit(
    auth: Callable[..., Any], client: Client, settings: Any
) -> None:
    settings.THROTTLE_RATES = {"login": "1/min"}
    log_in(auth, UserFactory())
    doors = (
        "auth/login", "auth/reauthenticate", "auth/2fa/authenticate", "auth/2fa/reauthenticate",
        "auth/password/request", "auth/password/reset", "auth/email/verify", "auth/code/confirm", "auth/phone/verify",
    )  # fmt: skip
    assert {door: auth(door, {}).status_code for door in doors} == dict.fromkeys(doors, 429)
    assert client.post("/admin/login/", {"username": "a@b.c", "password": "x"}).status_code == 429
    assert client.get("/admin/login/").status_code == (200 if settings.BACK_OFFICE else 404)


@pytest.mark.parametrize(
    ("door", "header"),
    [("auth/password/reset", "X-Password-Reset-Key"), ("auth/email/verify", "X-Email-Verification-Key")],
)
def test_asking_whether_a_key_is_good_is_an_attempt(
    auth: Callable[..., Any], settings: Any, door: str, header: str
) -> None:
    settings.THROTTLE_RATES = {"login": "1/min"}
    assert [auth(door, method="get", **{header: "x"}).status_code for _ in range(2)] == [400, 429]
    assert auth("auth/login", method="options").status_code != 429


def test_the_account_api_as_a_whole_is_limited_like_the_rest(auth: Callable[..., Any], settings: Any) -> None:
    settings.THROTTLE_RATES = {"anon": "2/min"}
    assert [auth("auth/session", method="get").status_code for _ in range(3)] == [401, 401, 429]


def test_the_address_of_a_client_is_not_what_it_claims(auth: Callable[..., Any], settings: Any) -> None:
    settings.THROTTLE_RATES = {"login": "2/min"}
    claims = [{"X-Forwarded-For": f"10.0.0.{n}"} for n in range(3)]
    assert [log_in(auth, UserFactory(), **claim).status_code for claim in claims] == [200, 200, 429]


def test_logout_ends_the_session_and_its_tokens(auth: Callable[..., Any]) -> None:
    tokens = log_in(auth, UserFactory()).json()["meta"]
    assert auth("auth/session", method="delete", token=tokens["access_token"]).status_code == 401
    assert not Session.objects.exists()
    assert auth("tokens/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 400
    assert auth("auth/session", method="get", token=tokens["access_token"]).status_code == 410


def test_a_colleague_carries_the_permissions_of_the_role(auth: Callable[..., Any]) -> None:
    role = Group.objects.create(name="atendimento")
    role.permissions.add(*Permission.objects.filter(content_type__app_label="identity", codename__startswith="view_"))
    principal, _ = verify(log_in(auth, UserFactory(is_staff=True, groups=[role])).json()["meta"]["access_token"])
    assert principal.is_staff
    assert principal.has_scope("identity.view_user")
    assert not principal.has_scope("identity.change_user")


def test_a_customer_has_no_scopes_even_with_permissions(auth: Callable[..., Any]) -> None:
    role = Group.objects.create(name="antigo")
    role.permissions.add(*Permission.objects.filter(content_type__app_label="identity"))
    principal, _ = verify(log_in(auth, UserFactory(groups=[role])).json()["meta"]["access_token"])
    assert principal.scopes == frozenset()


def test_a_superuser_may_do_everything(auth: Callable[..., Any]) -> None:
    principal, _ = verify(log_in(auth, UserFactory(is_staff=True, is_superuser=True)).json()["meta"]["access_token"])
    assert principal.has_scope("order.refund")


def test_the_account_api_describes_itself(client: Client) -> None:
    specification = client.get("/_allauth/openapi.json").json()
    assert {"/_allauth/app/v1/auth/signup", "/_allauth/app/v1/tokens/refresh"} <= set(specification["paths"])
    assert "full_name" in specification["components"]["schemas"]["BaseSignup"]["properties"]
