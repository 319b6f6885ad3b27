import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.http import keys
from ecommerce.http.authentication import InvalidToken, verify
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView
from ecommerce.observability import context

CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
Token = Callable[..., str]


class Me(APIView):
    def get(self, request: Request) -> Response:
        return Response({"id": request.user.id, "actor": context.current().actor})


class Public(APIView):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"guest": request.user.is_anonymous})


class ForEditors(APIView):
    permission_classes = [HasScope("catalog.change_product")]

    def get(self, request: Request) -> Response:
        return Response()


def get(view: type[APIView], token: str = "", scheme: str = "Bearer") -> Response:
    headers = {"Authorization": f"{scheme} {token}"} if token else {}
    response: Response = view.as_view()(APIRequestFactory().get("/api/v1/x", headers=headers))
    return response


def test_a_good_token_names_the_principal(token: Token) -> None:
    principal, _ = verify(token(email="ana@example.com", email_verified=True, staff=True, scope="a.b c.d"))

    assert principal.id == CUSTOMER
    assert (principal.email, principal.email_verified, principal.is_staff) == ("ana@example.com", True, True)
    assert principal.is_authenticated
    assert principal.has_scope("c.d")
    assert not principal.has_scope("c")


def test_a_superuser_has_every_scope(token: Token) -> None:
    assert verify(token(scope="*"))[0].has_scope("order.refund_payment")


def test_who_acts_is_known_to_what_happens_next(token: Token) -> None:
    with context.bound():
        assert get(Me, token()).data == {"id": CUSTOMER, "actor": f"user:{CUSTOMER}"}


def test_without_a_token_a_view_is_closed_and_says_how_to_open_it() -> None:
    response = get(Me)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response.data["code"] == "not_authenticated"


def test_a_public_view_takes_guests() -> None:
    assert get(Public).data == {"guest": True}


def test_a_public_view_still_refuses_a_bad_token() -> None:
    assert get(Public, "rubbish").status_code == 401


def test_another_scheme_is_no_token(token: Token) -> None:
    assert get(Me, token(), scheme="Basic").data["code"] == "not_authenticated"


def test_a_token_that_was_good_before_expires(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = token()
    verify(issued)
    later = time.time() + 306
    monkeypatch.setattr("ecommerce.http.authentication.time.time", lambda: later)

    with pytest.raises(InvalidToken):
        verify(issued)


def test_a_refresh_token_does_not_open_the_api(token: Token) -> None:
    assert get(Me, token(token_use="refresh")).data["code"] == "invalid_token"


def test_a_strangers_signature_is_refused(token: Token, tmp_path: Path, settings: Settings) -> None:
    strangers = keys.load_or_create(tmp_path / "stranger.pem")
    own_kid = next(iter(settings.JWT_PUBLIC_KEYS))

    assert get(Me, token(key=strangers)).status_code == 401
    assert get(Me, token(key=strangers, kid=own_kid)).status_code == 401


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(settings: Settings) -> None:
    kid, pem = next(iter(settings.JWT_PUBLIC_KEYS.items()))

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"sub": str(CUSTOMER), "exp": int(time.time()) + 300, "token_use": "access"}
    signed = part({"alg": "HS256", "kid": kid}) + b"." + part(claims)
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed, pem.encode())
    forged = signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")

    assert get(Me, forged.decode()).status_code == 401


def test_an_unsigned_token_is_refused() -> None:
    unsigned = jwt.encode({"sub": str(CUSTOMER), "exp": 9999999999, "token_use": "access"}, "", algorithm="none")

    assert get(Me, unsigned).status_code == 401


@pytest.mark.parametrize(
    "claims", [{"sub": "not-a-uuid"}, {"sub": ""}, {"exp": None}, {"exp": "soon"}, {"scope": 7}], ids=str
)
def test_claims_of_the_wrong_shape_are_refused(token: Token, claims: dict[str, object]) -> None:
    assert get(Me, token(**claims)).status_code == 401


def test_issuer_and_audience_are_checked_when_set(token: Token, settings: Settings) -> None:
    settings.JWT_ISSUER = "https://shop.example"
    settings.JWT_AUDIENCE = "shop"

    verify(token(iss="https://shop.example", aud="shop", jti="1"))
    for wrong in ({"iss": "https://shop.example"}, {"iss": "https://other.example", "aud": "shop"}):
        with pytest.raises(InvalidToken):
            verify(token(**wrong))


def test_a_missing_scope_is_forbidden_and_named(token: Token) -> None:
    response = get(ForEditors, token(scope="catalog.view_product"))

    assert (response.status_code, response.data["code"]) == (403, "missing_scope")
    assert "catalog.change_product" in response.data["detail"]
    assert get(ForEditors, token(scope="catalog.change_product")).status_code == 200
    assert get(ForEditors).status_code == 401
