"""Coming in through another provider: against a real OpenID Connect server with its own keys."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.mail import EmailMessage
from jwt.algorithms import RSAAlgorithm

from contexts.identity.events import UserEmailVerified, UserRegistered
from contexts.identity.models import User
from ecommerce.http.authentication import verify
from ecommerce.testing import published
from tests.contexts.identity.factories import UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

CLIENT = "loja"


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def id_token(self, **claims: Any) -> str:
        body = {"iss": self.url, "aud": CLIENT, "exp": int(time.time()) + 60, "jti": str(uuid4()), **claims}
        return jwt.encode(body, self.key, algorithm="RS256", headers={"kid": "k1"})

    def documents(self) -> dict[str, Any]:
        key = {**RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": "k1", "alg": "RS256"}
        configuration = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        return {"/.well-known/openid-configuration": configuration, "/jwks": {"keys": [key]}}


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        body = json.dumps(self.server.documents()[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    server = Provider()
    thread = Thread(target=server.serve_forever)
    thread.start()
    app = {
        "provider_id": "parceiro",
        "name": "Parceiro",
        "client_id": CLIENT,
        "secret": "s",
        "settings": {"server_url": server.url},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    registry.load()
    registry.register(OpenIDConnectProvider)
    yield server
    registry.provider_map.pop(OpenIDConnectProvider.id)
    server.shutdown()
    server.server_close()
    thread.join()


def come_in(auth: Callable[..., Any], provider: Provider, **claims: Any) -> Any:
    token = {"client_id": CLIENT, "id_token": provider.id_token(**claims)}
    return auth("auth/provider/token", {"provider": "parceiro", "process": "login", "token": token})


def test_a_newcomer_with_a_vouched_email_gets_a_confirmed_account(
    auth: Callable[..., Any], provider: Provider, mailoutbox: list[EmailMessage]
) -> None:
    answer = come_in(auth, provider, sub="7", email="Ana@example.com", email_verified=True, name="Ana Souza")
    assert answer.status_code == 200
    user = User.objects.get()
    assert (user.email, user.full_name, user.has_usable_password()) == ("ana@example.com", "Ana Souza", False)
    assert verify(answer.json()["meta"]["access_token"])[0].email_verified
    assert published("identity", UserRegistered) == [UserRegistered(user_id=user.id, locale="pt-BR")]
    assert published("identity", UserEmailVerified) == [UserEmailVerified(user_id=user.id)]
    assert mailoutbox == []


def test_the_second_time_it_is_the_same_account(auth: Callable[..., Any], provider: Provider) -> None:
    for _ in range(2):
        assert come_in(auth, provider, sub="7", email="ana@example.com", email_verified=True).status_code == 200
    assert User.objects.count() == SocialAccount.objects.count() == 1
    assert len(published("identity", UserRegistered)) == 1


def test_an_email_that_nobody_vouches_for_is_to_be_confirmed(
    auth: Callable[..., Any], provider: Provider, mailoutbox: list[EmailMessage]
) -> None:
    answer = come_in(auth, provider, sub="7", email="ana@example.com", email_verified=False)
    assert not verify(answer.json()["meta"]["access_token"])[0].email_verified
    assert [mail.to for mail in mailoutbox] == [["ana@example.com"]]
    assert published("identity", UserEmailVerified) == []


def test_somebody_else_s_account_is_not_taken_over(auth: Callable[..., Any], provider: Provider) -> None:
    UserFactory(email="ana@example.com")
    answer = come_in(auth, provider, sub="7", email="ana@example.com", email_verified=True)
    assert answer.status_code == 401
    assert "access_token" not in answer.json()["meta"]
    assert not SocialAccount.objects.exists()


def test_who_brings_no_email_is_asked_for_one(auth: Callable[..., Any], provider: Provider) -> None:
    halfway = come_in(auth, provider, sub="7", name="Ana Souza")
    assert halfway.status_code == 401
    step = {"X-Session-Token": halfway.json()["meta"]["session_token"]}
    answer = auth("auth/provider/signup", {"email": "Ana@example.com", "locale": "en"}, **step)
    assert answer.status_code == 200
    user = User.objects.get()
    assert (user.email, user.full_name, user.locale) == ("ana@example.com", "Ana Souza", "en")
    assert len(published("identity", UserRegistered)) == 1


def test_a_token_for_another_shop_is_refused(auth: Callable[..., Any], provider: Provider) -> None:
    assert come_in(auth, provider, sub="7", email="ana@example.com", aud="other").status_code == 400
    assert not User.objects.exists()
