"""Who is asking. The token says it all and its signature proves it: no database, no call to identity."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ecommerce.http.keys import VerifyingKeys
from ecommerce.observability import context

ALGORITHMS = ["RS256"]
SUPERUSER_SCOPE = "*"
LEEWAY_SECONDS = 5
"""How far the clocks of the issuing and the checking machine may be apart."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom the request speaks for. ``id`` is None for a guest. ``scopes`` are Django permissions, ``app.codename``."""

    id: UUID | None = None
    email: str = ""
    email_verified: bool = False
    is_staff: bool = False
    scopes: frozenset[str] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        return self.id is not None

    @property
    def is_anonymous(self) -> bool:
        return self.id is None

    @property
    def pk(self) -> UUID | None:
        return self.id

    def has_scope(self, scope: str) -> bool:
        """Tell whether this principal may do what ``scope`` names; a superuser may do everything."""
        return scope in self.scopes or SUPERUSER_SCOPE in self.scopes


ANONYMOUS = Principal()


def principal_of(request: Request) -> Principal:
    """Return ``request.user`` under its true type."""
    principal: Principal = request.user  # type: ignore[assignment]
    return principal


def anonymous() -> Principal:
    """Return the principal of a request without credentials."""
    return ANONYMOUS


class InvalidToken(AuthenticationFailed):
    default_code = "invalid_token"


class JWTAuthentication(BaseAuthentication):
    """``Authorization: Bearer`` with an access token that identity signed (RS256).

    A request without the header is a guest's. ``request.auth`` holds the claims. A token stays good until it expires,
    some minutes after it was issued: a revoked session ends with its next refresh.
    """

    scheme: ClassVar[str] = "Bearer"

    def authenticate(self, request: Request) -> tuple[Principal, Mapping[str, Any]] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        principal, claims = verify(token.strip())
        context.set_actor(f"user:{principal.id}")
        return principal, claims

    def authenticate_header(self, request: Request) -> str:
        return f'{self.scheme} realm="api"'


def verify(token: str) -> tuple[Principal, Mapping[str, Any]]:
    """Return whom an access token speaks for, and its claims.

    A verified token is remembered by this process until it expires, which saves most of the arithmetic.

    Raises:
        InvalidToken: malformed, expired, not an access token, or signed by nobody we know.
    """
    principal, claims = _verified(token, verifying_keys())
    if claims["exp"] + LEEWAY_SECONDS <= time.time():
        raise InvalidToken("Token expired.")
    return principal, claims


def verifying_keys() -> VerifyingKeys:
    """Return the public keys that the settings name, loaded once."""
    return _loaded(tuple(settings.JWT_PUBLIC_KEYS.items()))


@lru_cache(maxsize=4)
def _loaded(pems: tuple[tuple[str, str], ...]) -> VerifyingKeys:
    return VerifyingKeys(dict(pems))


@lru_cache(maxsize=4096)
def _verified(token: str, keys: VerifyingKeys) -> tuple[Principal, Mapping[str, Any]]:
    try:
        claims = _decoded(token, keys)
        principal = Principal(
            id=UUID(claims["sub"]),
            email=claims.get("email", ""),
            email_verified=claims.get("email_verified", False),
            is_staff=claims.get("staff", False),
            scopes=frozenset(claims.get("scope", "").split()),
        )
    except (jwt.PyJWTError, LookupError, ValueError, AttributeError, TypeError) as error:
        raise InvalidToken("Invalid token.") from error
    return principal, claims


def _decoded(token: str, keys: VerifyingKeys) -> dict[str, Any]:
    key = keys[jwt.get_unverified_header(token).get("kid", "")]
    claims = jwt.decode(
        token,
        key,
        algorithms=ALGORITHMS,
        leeway=LEEWAY_SECONDS,
        issuer=settings.JWT_ISSUER or None,
        audience=settings.JWT_AUDIENCE or None,
        options={"require": ["exp", "sub"], "verify_aud": bool(settings.JWT_AUDIENCE)},
    )
    if claims.get("token_use") != "access":
        raise ValueError("not an access token")
    return claims
