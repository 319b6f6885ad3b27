"""Changing and resetting the password, over HTTP."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMessage

from contexts.identity.models import Session
from tests.contexts.identity.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

NEW = "outro-caminho-77"


def log_in(auth: Callable[..., Any], email: str, password: str = PASSWORD) -> Any:
    return auth("auth/login", {"email": email, "password": password})


def key_in(mail: EmailMessage) -> str:
    found = re.search(r"/conta/nova-senha/(\S+)", str(mail.body))
    assert found
    return found.group(1)


def test_a_changed_password_ends_every_session(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    phone, laptop = log_in(auth, ana.email).json()["meta"], log_in(auth, ana.email).json()["meta"]
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert auth("account/password/change", body, token=phone["access_token"]).status_code == 401  # log in again
    assert not Session.objects.exists()
    assert auth("tokens/refresh", {"refresh_token": laptop["refresh_token"]}).status_code == 400
    assert log_in(auth, ana.email).status_code == 400
    assert log_in(auth, ana.email, NEW).status_code == 200


def test_the_current_password_is_asked_for(auth: Callable[..., Any]) -> None:
    ana = UserFactory()
    token = log_in(auth, ana.email).json()["meta"]["access_token"]
    body = {"current_password": "wrong-password", "new_password": NEW}
    answer = auth("account/password/change", body, token=token)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "enter_current_password")
    assert log_in(auth, ana.email).status_code == 200


def test_a_forgotten_password_is_replaced_through_the_mailed_link(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    ana = UserFactory()
    log_in(auth, ana.email)
    assert auth("auth/password/request", {"email": ana.email}).status_code == 200
    key = key_in(mailoutbox[0])
    info = auth("auth/password/reset", method="get", **{"X-Password-Reset-Key": key})
    assert info.status_code == 200
    assert auth("auth/password/reset", {"key": key, "password": NEW}).status_code == 401
    assert not Session.objects.exists()
    assert log_in(auth, ana.email, NEW).status_code == 200
    again = auth("auth/password/reset", {"key": key, "password": PASSWORD})
    assert again.json()["errors"][0]["code"] == "invalid_password_reset"


def test_an_unknown_address_gets_no_mail_and_the_same_answer(
    auth: Callable[..., Any], mailoutbox: list[EmailMessage]
) -> None:
    assert auth("auth/password/request", {"email": "nobody@example.com"}).status_code == 200
    assert mailoutbox == []


def test_a_weak_password_is_refused(auth: Callable[..., Any], mailoutbox: list[EmailMessage]) -> None:
    ana = UserFactory()
    auth("auth/password/request", {"email": ana.email})
    answer = auth("auth/password/reset", {"key": key_in(mailoutbox[0]), "password": "12345678"})
    assert {error["param"] for error in answer.json()["errors"]} == {"password"}
