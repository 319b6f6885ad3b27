"""Proving and changing the e-mail, over HTTP."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage

from contexts.identity.events import UserEmailVerified
from contexts.identity.models import User
from ecommerce.http.authentication import verify
from ecommerce.testing import published
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

ANA = {"email": "ana@example.com", "password": PASSWORD}


def confirmed_login(auth: Callable[..., Any], user: User) -> str:
    """Log in and type the password once more, as whoever changes the e-mail must; return the access token."""
    token: str = auth("auth/login", {"email": user.email, "password": PASSWORD}).json()["meta"]["access_token"]
    assert auth("auth/reauthenticate", {"password": PASSWORD}, token=token).status_code == 200
    return token


def key_in(mail: EmailMessage) -> str:
    found = re.search(r"/conta/confirmar-email/(\S+?)[.]?\s", f"{mail.body}\n")
    assert found
    return unquote(found.group(1))


def test_the_link_confirms_the_email_once(auth: Callable[..., Any], mailoutbox: list[EmailMessage]) -> None:
    tokens = auth("auth/signup", ANA).json()["meta"]
    key = key_in(mailoutbox[0])
    assert auth("auth/email/verify", {"key": key}, token=tokens["access_token"]).status_code == 200
    assert User.objects.with_email_verified().get().email_verified
    again = auth("auth/email/verify", {"key": key})
    assert again.json()["errors"][0]["code"] == "invalid_or_expired_key"
    user = User.objects.get()
    assert published("identity", UserEmailVerified) == [UserEmailVerified(user_id=user.id)]
    assert user.version == 2
    refreshed = auth("tokens/refresh", {"refresh_token": tokens["refresh_token"]}).json()["data"]
    assert verify(refreshed["access_token"])[0].email_verified


def test_the_link_works_on_a_device_without_a_session(auth: Callable[..., Any], mailoutbox: list[EmailMessage]) -> None:
    auth("auth/signup", ANA)
    answer = auth("auth/email/verify", {"key": key_in(mailoutbox[0])})
    assert answer.status_code == 401  # confirmed, and still nobody is logged in here
    assert User.objects.with_email_verified().get().email_verified


def test_another_link_can_be_asked_for(auth: Callable[..., Any], mailoutbox: list[EmailMessage], settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"confirm_email": ""}
    token = auth("auth/signup", ANA).json()["meta"]["access_token"]
    assert auth("account/email", {"email": ANA["email"]}, method="put", token=token).status_code == 200
    assert len(mailoutbox) == 2


def test_confirmation_and_event_are_stored_together_or_not_at_all(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    auth("auth/signup", ANA)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the outbox is broken")

    monkeypatch.setattr("ecommerce.unit_of_work.append", fail)
    with pytest.raises(RuntimeError, match="outbox"):
        auth("auth/email/verify", {"key": key_in(mailoutbox[0])})
    assert not EmailAddress.objects.get().verified


def test_a_new_email_replaces_the_old_one_when_it_is_confirmed(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    ana = UserFactory(email="old@example.com")
    token = confirmed_login(auth, ana)
    assert auth("account/email", {"email": "New@example.com"}, token=token).status_code == 200
    ana.refresh_from_db()
    assert ana.email == "old@example.com"
    assert auth("auth/email/verify", {"key": key_in(mailoutbox[-1])}, token=token).status_code == 200
    ana.refresh_from_db()
    assert ana.email == "new@example.com"
    assert [(row.email, row.verified) for row in EmailAddress.objects.all()] == [("new@example.com", True)]
    assert published("identity", UserEmailVerified) == [UserEmailVerified(user_id=ana.id)]
    assert mailoutbox[-1].to == ["old@example.com"]  # whoever had it is told


def test_an_email_that_somebody_else_took_meanwhile_stays_theirs(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    ana = UserFactory(email="old@example.com")
    token = confirmed_login(auth, ana)
    auth("account/email", {"email": "wanted@example.com"}, token=token)
    UserFactory(email="wanted@example.com", verified=False)
    assert auth("auth/email/verify", {"key": key_in(mailoutbox[-1])}, token=token).status_code == 409
    ana.refresh_from_db()
    assert ana.email == "old@example.com"
    assert not published("identity", UserEmailVerified)


def test_an_access_token_alone_does_not_change_the_email(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    """Otherwise whoever finds one could have the password reset by mail."""
    ana = UserFactory(email="old@example.com")
    token = auth("auth/login", {"email": ana.email, "password": PASSWORD}).json()["meta"]["access_token"]
    refused = auth("account/email", {"email": "mallory@example.com"}, token=token)
    assert refused.status_code == 401
    assert [flow["id"] for flow in refused.json()["data"]["flows"]] == ["reauthenticate"]
    assert not mailoutbox
    assert auth("auth/reauthenticate", {"password": PASSWORD}, token=token).status_code == 200
    assert auth("account/email", {"email": "mallory@example.com"}, token=token).status_code == 200


def test_the_password_that_was_typed_counts_for_a_while_only(auth: Callable[..., Any], settings: Any) -> None:
    token = confirmed_login(auth, UserFactory(email="old@example.com"))
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert auth("account/email", {"email": "mallory@example.com"}, token=token).status_code == 401


def test_an_unconfirmed_email_stays_until_the_new_one_is_confirmed(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    """Whoever mistyped their address at signup corrects it so."""
    ana = UserFactory(email="typo@example.com", verified=False)
    token = confirmed_login(auth, ana)
    for address in ("wrong@example.com", "right@example.com"):  # the second takes the place of the first
        assert auth("account/email", {"email": address}, token=token).status_code == 200
    ana.refresh_from_db()
    assert ana.email == "typo@example.com"
    addresses = EmailAddress.objects.order_by("pk").values_list("email", "primary")
    assert list(addresses) == [("typo@example.com", True), ("right@example.com", False)]
    assert auth("auth/email/verify", {"key": key_in(mailoutbox[-1])}, token=token).status_code == 200
    ana.refresh_from_db()
    assert ana.email == "right@example.com"
    assert [row.email for row in EmailAddress.objects.all()] == ["right@example.com"]


def test_two_unconfirmed_customers_can_both_change_their_email(auth: Callable[..., Any]) -> None:
    for name in ("ana", "bea"):
        user = UserFactory(email=f"{name}@typo.example", verified=False)
        token = confirmed_login(auth, user)
        assert auth("account/email", {"email": f"{name}@example.com"}, token=token).status_code == 200


@pytest.mark.parametrize("changed", ["with the old one", "by a mailed link"])
def test_a_new_password_voids_a_pending_change_of_email(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage], changed: str
) -> None:
    """Whoever knew the old password may have asked for it; they would have the new one reset by mail."""
    ana = UserFactory(email="ana@example.com")
    token = confirmed_login(auth, ana)
    assert auth("account/email", {"email": "mallory@example.com"}, token=token).status_code == 200
    key = key_in(mailoutbox[-1])
    if changed == "with the old one":
        body = {"current_password": PASSWORD, "new_password": "outro-caminho-77"}
        assert auth("account/password/change", body, token=token).status_code == 401
    else:
        auth("auth/password/request", {"email": ana.email})
        found = re.search(r"/conta/nova-senha/(\S+)", str(mailoutbox[-1].body))
        assert found
        body = {"key": found[1], "password": "outro-caminho-77"}
        assert auth("auth/password/reset", body).status_code == 401
    answer = auth("auth/email/verify", {"key": key})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalid_or_expired_key")
    ana.refresh_from_db()
    assert ana.email == "ana@example.com"
