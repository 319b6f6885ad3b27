"""The second factor, over HTTP."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from contexts.identity.models import User
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])


@pytest.fixture(autouse=True)
def _tolerant_clock(settings: Any) -> None:
    """A code that was right when it was computed must not expire before it is sent."""
    settings.MFA_TOTP_TOLERANCE = 1


def code_of(secret: str, *, ahead: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


def log_in(auth: Callable[..., Any], user: User) -> Any:
    return auth("auth/login", {"email": user.email, "password": PASSWORD})


def enrol(auth: Callable[..., Any], user: User) -> tuple[str, str]:
    """Return the authenticator's secret and an access token."""
    token = log_in(auth, user).json()["meta"]["access_token"]
    assert auth("auth/reauthenticate", {"password": PASSWORD}, token=token).status_code == 200
    offer = auth("account/authenticators/totp", method="get", token=token)
    assert offer.status_code == 404
    secret = offer.json()["meta"]["secret"]
    assert auth("account/authenticators/totp", {"code": code_of(secret)}, token=token).status_code == 200
    return secret, token


def test_login_asks_for_the_code_of_the_authenticator(
    auth: Callable[..., Any], mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    ana = UserFactory()
    with django_capture_on_commit_callbacks(using="identity", execute=True):
        secret, _ = enrol(auth, ana)
    assert [mail.to for mail in mailoutbox] == [[ana.email]]
    halfway = log_in(auth, ana)
    assert halfway.status_code == 401
    assert "access_token" not in halfway.json()["meta"]
    step = {"X-Session-Token": halfway.json()["meta"]["session_token"]}
    assert auth("auth/2fa/authenticate", {"code": "000000"}, **step).status_code == 400
    answer = auth("auth/2fa/authenticate", {"code": code_of(secret, ahead=1)}, **step)
    assert answer.status_code == 200
    assert {"access_token", "refresh_token"} <= set(answer.json()["meta"])


def test_a_recovery_code_works_once(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    _, token = enrol(auth, ana)
    codes = auth("account/authenticators/recovery-codes", method="get", token=token).json()["data"]["unused_codes"]
    assert len(codes) == 10
    statuses = []
    for _ in range(2):
        step = {"X-Session-Token": log_in(auth, ana).json()["meta"]["session_token"]}
        statuses.append(auth("auth/2fa/authenticate", {"code": codes[0]}, **step).status_code)
    assert statuses == [200, 400]


def test_recovery_codes_can_be_replaced(auth: Callable[..., Any]) -> None:
    _, token = enrol(auth, UserFactory())
    path = "account/authenticators/recovery-codes"
    before = auth(path, method="get", token=token).json()["data"]["unused_codes"]
    after = auth(path, {}, token=token).json()["data"]["unused_codes"]
    assert len(after) == 10
    assert set(after).isdisjoint(before)


def test_the_authenticator_can_be_removed(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    _, token = enrol(auth, ana)
    assert auth("account/authenticators/totp", method="delete", token=token).status_code == 200
    assert not Authenticator.objects.exists()
    assert log_in(auth, ana).status_code == 200


def test_secrets_are_encrypted_at_rest_and_survive_a_new_secret_key(auth: Callable[..., Any], settings: Any) -> None:
    ana = UserFactory()
    secret, _ = enrol(auth, ana)
    assert all(secret not in str(row.data) for row in Authenticator.objects.all())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, [settings.SECRET_KEY]
    step = {"X-Session-Token": log_in(auth, ana).json()["meta"]["session_token"]}
    assert auth("auth/2fa/authenticate", {"code": code_of(secret, ahead=1)}, **step).status_code == 200


def test_a_session_alone_does_not_change_the_second_factor(auth: Callable[..., Any]) -> None:
    token = log_in(auth, UserFactory()).json()["meta"]["access_token"]
    secret = auth("account/authenticators/totp", method="get", token=token).json()["meta"]["secret"]
    answer = auth("account/authenticators/totp", {"code": code_of(secret)}, token=token)
    assert answer.status_code == 401
    assert "reauthenticate" in [flow["id"] for flow in answer.json()["data"]["flows"]]


def test_an_unconfirmed_account_cannot_enrol(auth: Callable[..., Any]) -> None:
    token = log_in(auth, UserFactory(verified=False)).json()["meta"]["access_token"]
    assert auth("account/authenticators/totp", method="get", token=token).status_code == 409
