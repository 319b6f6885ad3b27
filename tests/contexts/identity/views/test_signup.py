"""Opening an account, over HTTP."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contexts.identity.events import UserRegistered
from contexts.identity.models import Session, User
from ecommerce.http.authentication import verify
from ecommerce.testing import published
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

ANA = {"email": "Ana@Example.com", "password": PASSWORD, "full_name": "Ana Souza"}
TRANSACTION_CONTROL = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


def test_signup_stores_the_account_and_logs_it_in(auth: Callable[..., Any]) -> None:
    answer = auth("auth/signup", {**ANA, "phone": "+55 (11) 98765-4321", "locale": "en", "newsletter": True})
    assert answer.status_code == 200
    user = User.objects.with_email_verified().get()
    assert (user.email, user.full_name, user.phone, user.locale) == (
        "ana@example.com",
        "Ana Souza",
        "+5511987654321",
        "en",
    )
    assert user.newsletter_since
    assert user.marketing_since is None
    assert not user.email_verified
    assert user.check_password(PASSWORD)
    assert answer.json()["data"]["user"]["id"] == str(user.id)
    principal, claims = verify(answer.json()["meta"]["access_token"])
    assert (principal.id, principal.email, principal.email_verified) == (user.id, "ana@example.com", False)
    assert (principal.is_staff, principal.scopes) == (False, frozenset())
    assert claims["exp"] - claims["iat"] == 900


def test_no_session_token_is_given_beside_the_tokens(auth: Callable[..., Any]) -> None:
    assert set(auth("auth/signup", ANA).json()["meta"]) == {"is_authenticated", "access_token", "refresh_token"}


def test_signup_publishes_one_event_without_personal_data(auth: Callable[..., Any]) -> None:
    auth("auth/signup", ANA)
    assert published("identity", UserRegistered) == [UserRegistered(user_id=User.objects.get().id, locale="pt-BR")]


def test_account_and_event_are_stored_together_or_not_at_all(
    auth: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the outbox is broken")

    monkeypatch.setattr("ecommerce.unit_of_work.append", fail)
    with pytest.raises(RuntimeError, match="outbox"):
        auth("auth/signup", ANA)
    assert not User.objects.exists()


def test_signup_takes_fewer_than_twelve_statements(auth: Callable[..., Any]) -> None:
    with CaptureQueriesContext(connections["identity"]) as queries:
        auth("auth/signup", ANA)
    statements = [query["sql"] for query in queries if not query["sql"].startswith(TRANSACTION_CONTROL)]
    assert len(statements) == 10, "\n".join(statements)


def test_a_taken_email_is_refused_in_any_case(auth: Callable[..., Any]) -> None:
    UserFactory(email="ana@example.com")
    answer = auth("auth/signup", {**ANA, "email": "ANA@EXAMPLE.COM"})
    assert answer.status_code == 400
    assert [(error["code"], error["param"]) for error in answer.json()["errors"]] == [("email_taken", "email")]
    assert not published("identity", UserRegistered)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"password": "12345678"}, "password"),
        ({"email": "nobody"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"locale": "xx"}, "locale"),
    ],
)
def test_bad_input_is_named(auth: Callable[..., Any], change: dict[str, str], param: str) -> None:
    answer = auth("auth/signup", {**ANA, **change})
    assert answer.status_code == 400
    assert {error["param"] for error in answer.json()["errors"]} == {param}
    assert not User.objects.exists()


def test_the_confirmation_mail_leads_to_the_storefront(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage], settings: Any
) -> None:
    auth("auth/signup", ANA)
    assert [mail.to for mail in mailoutbox] == [["ana@example.com"]]
    assert f"{settings.FRONTEND_URL}/conta/confirmar-email/" in str(mailoutbox[0].body)


def test_a_broken_mail_server_does_not_break_signup(
    auth: Callable[..., Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(
        "contexts.identity.adapters.mail.current_app.signature",
        lambda name, kwargs: _Queued(sent, name),
    )
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert auth("auth/signup", ANA).status_code == 200
    assert sent == ["identity.send_mail"]


class _Queued:
    def __init__(self, sent: list[str], name: str) -> None:
        self._sent, self._name = sent, name

    def apply_async(self, **_: object) -> None:
        self._sent.append(self._name)


def test_with_mandatory_confirmation_nobody_gets_in_before_it(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage], settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = auth("auth/signup", ANA)
    assert answer.status_code == 401
    pending = [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")]
    assert pending == ["verify_email"]
    assert "access_token" not in answer.json()["meta"]
    assert len(mailoutbox) == 1
    assert auth("auth/login", {"email": ANA["email"], "password": PASSWORD}).status_code == 401


@pytest.mark.django_db(databases=["identity"], transaction=True)
def test_parallel_signups_with_one_email_open_one_account(settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"signup": ""}

    def sign_up(number: int) -> int:
        try:
            body = {**ANA, "full_name": f"Ana {number}"}
            return Client().post("/_allauth/app/v1/auth/signup", body, content_type="application/json").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(sign_up, range(8)))
    assert statuses == [200] + [400] * 7
    assert User.objects.count() == 1
    assert len(published("identity", UserRegistered)) == 1
    assert Session.objects.count() == 1


def test_signups_of_one_address_are_limited(auth: Callable[..., Any], settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"signup": "2/m/ip"}
    statuses = [auth("auth/signup", {**ANA, "email": f"ana{n}@example.com"}).status_code for n in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("path", ["auth/signup", "account/email"])
@pytest.mark.parametrize(
    "email",
    [
        pytest.param(f"{'a' * 250}@example.com", id="longer than its column"),
        pytest.param("ana@exam\u200bple.com", id="an invisible character"),
        pytest.param("ana@fu\u00df.example", id="another name on the wire"),
    ],
)
def test_an_email_that_cannot_be_kept_or_reached_is_refused(auth: Callable[..., Any], path: str, email: str) -> None:
    token = auth("auth/signup", ANA).json()["meta"]["access_token"]
    answer = auth(path, {**ANA, "email": email}, token=token if path == "account/email" else "")
    assert answer.status_code == 400
    assert [(error["param"], error["code"]) for error in answer.json()["errors"]] == [("email", "invalid")]
    assert User.objects.count() == 1


def test_an_email_of_another_alphabet_is_welcome(auth: Callable[..., Any]) -> None:
    assert auth("auth/signup", {**ANA, "email": "ana@pão.example"}).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "bloqueada!\n\nAcesse http://evil.example agora",
        "veja www.evil",
        "loja.example",
        "fale com ana@evil.example",
        "evil.example/x",
        "duas\r\nlinhas",
        "uma\u2028linha",
    ],
)
def test_a_name_cannot_carry_a_message(
    auth: Callable[..., Any], api: Callable[..., Any], mailoutbox: list[EmailMessage], name: str
) -> None:
    """It stands in mails to an address that nobody has confirmed."""
    refused = auth("auth/signup", {**ANA, "full_name": name})
    assert (refused.status_code, refused.json()["errors"][0]["param"]) == (400, "full_name")
    assert mailoutbox == []
    refused = api("me", {"full_name": name}, method="patch", user=UserFactory())
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "name_invalid")


@pytest.mark.parametrize("name", ["João D'Ávila-Souza Jr.", "J.R. Silva", "María José (Zezé)", "李小龍", ""])
def test_a_name_is_anything_else(auth: Callable[..., Any], name: str) -> None:
    assert auth("auth/signup", {**ANA, "full_name": name}).status_code == 200
    assert User.objects.get().full_name == name
