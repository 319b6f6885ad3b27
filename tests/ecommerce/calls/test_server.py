"""The server: who may call what, and what everybody else is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from ecommerce.calls import signing, wire
from ecommerce.calls.keys import new_private_pem, public_pem, thumbprint
from ecommerce.calls.operation import operations
from ecommerce.calls.signing import LEEWAY, LIFETIME, TYPE
from ecommerce.calls.wire import Refused
from ecommerce.deadline import seconds_left
from ecommerce.errors import NotFound
from ecommerce.http.authentication import InvalidToken, verify
from ecommerce.observability import context as request_context
from tests.ecommerce.calls.parcels import AlreadySent, ParcelInterface, Post
from tests.ecommerce.calls.servers import Application

FIND = "/internal/catalog/v1/find"
SEND = "/internal/catalog/v1/send"


def token(directory: Path, *, signer: str = "cart", kid: str = "", typ: str = TYPE, **claims: Any) -> str:
    """Return a good token of cart for catalog, but for what is given."""
    pem = (directory / signer / "private.pem").read_text()
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    now = int(time.time())
    good = {"iss": "cart", "aud": "catalog", "scope": "catalog:read", "iat": now, "exp": now + LIFETIME}
    payload = {name: value for name, value in {**good, **claims}.items() if value is not None}
    headers = {"typ": typ, "kid": kid or thumbprint(key.public_key())}
    return jwt.encode(payload, key, algorithm="EdDSA", headers=headers)


@pytest.fixture
def ask(application: Application, post: Post, service_keys: Path) -> Callable[..., httpx.Response]:
    """Send a request as a service would, by default a good one of cart's."""

    def send(
        path: str = FIND, bearer: str | None = None, content: bytes = b'{"ids":[]}', **headers: str
    ) -> httpx.Response:
        bearer = token(service_keys) if bearer is None else bearer
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer:
            named["Authorization"] = f"Bearer {bearer}"
        return httpx.post(application.url + path, content=content, headers=named)

    return send


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "status", "code", "kind", "detail", "params"}
    assert problem["status"] == response.status_code
    return response.status_code, problem["code"]


def test_a_good_token_is_served(ask: Callable[..., httpx.Response], post: Post) -> None:
    response = ask()

    assert (response.status_code, response.json()) == (200, [])
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    assert post.calls == [("find", {"ids": []})]


def _hs256_by_public_key(directory: Path) -> str:
    public = public_pem((directory / "cart" / "private.pem").read_text()).encode()
    now = int(time.time())
    claims = {"iss": "cart", "aud": "catalog", "scope": "catalog:read", "iat": now, "exp": now + LIFETIME}
    good = token(directory)
    header = {**jwt.get_unverified_header(good), "alg": "HS256"}

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part(header) + b"." + part(claims)
    mac = base64.urlsafe_b64encode(hmac.new(public, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + mac).decode()


def _unsigned(directory: Path) -> str:
    claims = jwt.decode(token(directory), options={"verify_signature": False})
    header = jwt.get_unverified_header(token(directory))
    return jwt.encode(claims, None, algorithm="none", headers={"typ": TYPE, "kid": header["kid"]})


def _of_a_user(directory: Path) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"sub": str(uuid4()), "exp": int(time.time()) + 600, "token_use": "access", "aud": "catalog"}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "user"})


BAD_TOKENS: dict[str, Callable[[Path], str]] = {
    "none at all": lambda directory: "",
    "no token": lambda directory: "abc",
    "of a user": _of_a_user,
    "for another context": lambda directory: token(directory, aud="promotion"),
    "expired": lambda directory: token(directory, iat=int(time.time()) - 120, exp=int(time.time()) - 60),
    "from the future": lambda directory: token(directory, iat=int(time.time()) + 60, exp=int(time.time()) + 90),
    "living too long": lambda directory: token(directory, exp=int(time.time()) + 3600),
    "without an expiry": lambda directory: token(directory, exp=None),
    "without a scope": lambda directory: token(directory, scope=None),
    "unsigned": _unsigned,
    "HS256 by the public key": _hs256_by_public_key,
    "of another type": lambda directory: token(directory, typ="JWT"),
    "of an unknown issuer": lambda directory: token(directory, iss="promotion"),
    "by cart in the name of order": lambda directory: token(directory, iss="order"),
    "by an unknown key": lambda directory: token(directory, kid="unknown"),
    "signed by order with cart's key id": lambda directory: token(
        directory, signer="order", kid=jwt.get_unverified_header(token(directory))["kid"]
    ),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_refused(name: str, ask: Callable[..., httpx.Response], service_keys: Path, post: Post) -> None:
    assert refusal(ask(bearer=BAD_TOKENS[name](service_keys))) == (401, "service_token_refused")
    assert post.calls == []


def test_a_service_token_is_none_of_a_user(service_keys: Path) -> None:
    with pytest.raises(InvalidToken):
        verify(token(service_keys))


@pytest.mark.parametrize(
    "claims",
    [{"scope": ""}, {"scope": "catalog:write"}, {"scope": "promotion:read"}],
    ids=["none", "another", "of another context"],
)
def test_a_scope_that_the_token_lacks_is_missing(
    claims: dict[str, str], ask: Callable[..., httpx.Response], service_keys: Path
) -> None:
    assert refusal(ask(bearer=token(service_keys, **claims))) == (403, "missing_scope")


def test_a_scope_that_the_issuer_is_not_granted_is_missing(
    ask: Callable[..., httpx.Response], service_keys: Path, post: Post
) -> None:
    greedy = token(service_keys, scope="catalog:read catalog:write")

    assert refusal(ask(SEND, greedy)) == (403, "missing_scope")
    assert ask(FIND, greedy).status_code == 200
    assert [name for name, _ in post.calls] == ["find"]


@pytest.mark.parametrize(
    ("path", "audience"),
    [("/internal/catalog/v1/lose", "catalog"), ("/internal/promotion/v1/find", "promotion"),
     ("/internal/catalog/v1/__init__", "catalog")],
)  # fmt: skip
def test_an_unknown_method_is_not_found(
    path: str, audience: str, ask: Callable[..., httpx.Response], service_keys: Path
) -> None:
    assert refusal(ask(path, token(service_keys, aud=audience))) == (404, "unknown_method")


def test_whoever_has_no_token_does_not_learn_which_methods_there_are(ask: Callable[..., httpx.Response]) -> None:
    assert refusal(ask("/internal/catalog/v1/lose", "")) == refusal(ask(FIND, ""))


@pytest.mark.parametrize("path", ["/internal/", "/internal/catalog", "/internal/catalog/v2/find"])
def test_another_address_is_not_found(path: str, ask: Callable[..., httpx.Response]) -> None:
    assert refusal(ask(path)) == (404, "unknown_method")


def test_methods_are_called_by_post(application: Application) -> None:
    assert refusal(httpx.get(application.url + FIND)) == (405, "method_not_allowed")


def test_a_body_that_is_too_large_is_not_read(ask: Callable[..., httpx.Response], post: Post) -> None:
    large = b'{"ids":[' + b" " * wire.MOST_BYTES + b"]}"

    assert refusal(ask(content=large)) == (413, "too_large")
    assert post.calls == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"{}", b'{"ids":["x"]}', b'{"ids":null}', b"\xff"])
def test_a_body_that_is_no_arguments_is_malformed(content: bytes, ask: Callable[..., httpx.Response]) -> None:
    assert refusal(ask(content=content)) == (400, "malformed_call")


def test_a_limit_holds_for_callers_that_do_not_check_it(ask: Callable[..., httpx.Response], post: Post) -> None:
    content = b'{"ids":[' + b",".join([f'"{uuid4()}"'.encode()] * 4) + b"]}"

    assert refusal(ask(content=content)) == (422, "too_many")
    assert post.calls == []


@pytest.mark.parametrize("milliseconds", ["0", "-5"])
def test_a_call_without_time_left_is_not_begun(
    milliseconds: str, ask: Callable[..., httpx.Response], post: Post
) -> None:
    assert refusal(ask(X_Deadline_Ms=milliseconds)) == (504, "deadline_exceeded")
    assert post.calls == []


def test_a_deadline_that_is_no_number_is_malformed(ask: Callable[..., httpx.Response]) -> None:
    for wrong in ("soon", "--5", 5000 * "9"):
        assert refusal(ask(X_Deadline_Ms=wrong)) == (400, "malformed_call")


@pytest.mark.parametrize(("milliseconds", "most"), [("", 2), ("500", 0.5), ("60000", 2)])
def test_the_provider_has_the_callers_time_and_no_more_than_the_methods(
    milliseconds: str, most: float, ask: Callable[..., httpx.Response], post: Post
) -> None:
    seen: list[float] = []
    post.answer = lambda name, arguments: seen.append(seconds_left(100)) or []

    ask(**({"X_Deadline_Ms": milliseconds} if milliseconds else {}))

    assert 0 < seen[0] <= most


def test_a_refusal_travels_by_its_kind(ask: Callable[..., httpx.Response], post: Post) -> None:
    def refuse(name: str, arguments: dict[str, Any]) -> Any:
        raise AlreadySent("Já foi.", at="2026")

    post.answer = refuse
    response = ask()

    assert refusal(response) == (409, "already_sent")
    assert response.json()["params"] == {"at": "2026"}
    assert response.json()["kind"] == "conflict"


def test_a_crash_tells_nothing_of_itself(ask: Callable[..., httpx.Response], post: Post) -> None:
    def crash(name: str, arguments: dict[str, Any]) -> Any:
        raise RuntimeError("the password is sesame")

    post.answer = crash
    response = ask()

    assert refusal(response) == (500, "internal_error")
    assert "sesame" not in response.text
    assert "Traceback" not in response.text


def test_a_call_needs_no_csrf_token_and_no_https_and_counts_in_no_rate_limit(
    application: Application, post: Post, service_keys: Path, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.THROTTLE_RATES = {"anon": "1/min"}
    client = Client(enforce_csrf_checks=True)
    headers = {"Authorization": f"Bearer {token(service_keys)}"}

    for _ in range(3):
        response = client.post(FIND, b'{"ids":[]}', content_type="application/json", headers=headers)
        assert response.status_code == 200


def test_the_provider_acts_on_behalf_of_the_caller(ask: Callable[..., httpx.Response], post: Post) -> None:
    seen: list[request_context.RequestContext] = []
    post.answer = lambda name, arguments: seen.append(request_context.current()) or []
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

    ask(X_Correlation_ID="purchase-1", traceparent=traceparent, X_Causation_ID="event-1", X_Actor="user%3A7")

    (context,) = seen
    assert (context.correlation_id, context.causation_id, context.actor) == ("purchase-1", "event-1", "user:7")
    assert context.trace_id == "a" * 32


def test_a_token_that_was_accepted_expires_all_the_same(
    ask: Callable[..., httpx.Response], service_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = token(service_keys)
    assert [ask(bearer=good).status_code for _ in range(2)] == [200, 200]

    later = time.time() + LIFETIME + LEEWAY + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert ask(bearer=good).status_code == 401


def test_a_token_that_was_accepted_is_good_for_nobody_else(service_keys: Path) -> None:
    good = token(service_keys)
    assert signing.verify(good, audience="catalog").issuer == "cart"

    with pytest.raises(Refused):
        signing.verify(good, audience="order")


def test_a_new_key_is_accepted_beside_the_old_one_and_a_withdrawn_one_is_not(
    ask: Callable[..., httpx.Response], service_keys: Path
) -> None:
    published, old = next(service_keys.glob("*+*")) / "cart.pub.pem", token(service_keys)
    before = published.read_text()
    (service_keys / "cart" / "private.pem").write_text(new_private_pem())
    new = token(service_keys)
    assert ask(bearer=new).status_code == 401

    added = public_pem((service_keys / "cart" / "private.pem").read_text())
    published.write_text(before + added)
    assert [ask(bearer=each).status_code for each in (new, old)] == [200, 200]

    published.write_text(added)
    ends = time.monotonic() + 10
    while ask(bearer=old).status_code != 401:
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert ask(bearer=new).status_code == 200


def test_keys_that_cannot_be_read_leave_the_old_ones_in_force(
    ask: Callable[..., httpx.Response], service_keys: Path
) -> None:
    good = token(service_keys)
    assert ask(bearer=good).status_code == 200
    (next(service_keys.glob("*+*")) / "cart.pub.pem").write_text("-----BEGIN")

    assert ask(bearer=token(service_keys, kid="makes it look again")).status_code == 401
    assert ask(bearer=good).status_code == 200


def test_an_error_of_the_interface_is_found_by_code() -> None:
    errors = operations(ParcelInterface)["find"].errors
    assert (errors["already_sent"], errors["not_found"]) == (AlreadySent, NotFound)
