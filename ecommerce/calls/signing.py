"""Service tokens: short-lived, signed by the calling service (EdDSA), for one called context and what it may do there.

They are no tokens of users: another ``typ``, another algorithm, other keys. Neither is accepted in the other's place.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings

from ecommerce.calls import keys
from ecommerce.calls.wire import Refused

TYPE = "service+jwt"
ALGORITHM = "EdDSA"
LIFETIME = 60
"""Seconds; a token that claims to live longer is refused."""
RENEW = 15
"""A token is replaced so many seconds before it expires."""
LEEWAY = 5
"""Seconds by which the clocks of two machines may differ."""

log = structlog.get_logger(__name__)


class Caller(NamedTuple):
    """``scopes`` are those that its token names and that it is granted here."""

    issuer: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class _Token:
    text: str
    kid: str
    renew_at: float


class Signer:
    """Makes the tokens for one called context, each once, until it is about to expire or the key changes."""

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self._token: _Token | None = None

    def token(self, *, anew: bool = False) -> str:
        """Return a token; ``anew``, because the last one was refused, one by the key that is in the file now.

        Raises:
            ImproperlyConfigured: this process has no key.
        """
        key = keys.configured().signing(anew=anew)
        token = self._token
        if anew or token is None or token.kid != key.kid or time.time() >= token.renew_at:
            token = self._token = self._signed(key)
        return token.text

    def _signed(self, key: keys.SigningKey) -> _Token:
        issuer, now = settings.SERVICE_ISSUER, int(time.time())
        scopes = sorted(scope for scope in granted(issuer) if scope.startswith(f"{self._audience}:"))
        claims = {
            "iss": issuer, "aud": self._audience, "scope": " ".join(scopes), "iat": now, "exp": now + LIFETIME,
        }  # fmt: skip
        text = jwt.encode(claims, key.key, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.kid})
        return _Token(text, key.kid, now + LIFETIME - RENEW)


def granted(issuer: str) -> frozenset[str]:
    """Return the scopes of a service. One that runs several contexts, ``cart+promotion``, has those of all of them."""
    return frozenset(scope for context in issuer.split("+") for scope in settings.SERVICE_GRANTS.get(context, ()))


def verify(token: str, *, audience: str) -> Caller:
    """Return who calls ``audience`` with this token.

    A caller sends one token for most of a minute: what never changes about it is found out once. Its time, the key and
    the grants are looked at each time.

    Raises:
        Refused: it is no service token, of nobody we know, for somebody else, expired, or forged.
    """
    try:
        issuer, kid = _claimed(token)
        key = keys.configured().verifying(issuer, kid)
        if key is None:
            raise jwt.InvalidTokenError(f"no key {kid[:60]!r} of {issuer[:60]!r}")
        claims = _verified(token, issuer, audience, _Key(kid, key))
        if time.time() >= int(claims["exp"]) + LEEWAY:
            raise jwt.ExpiredSignatureError("it has expired")
    except jwt.InvalidTokenError as error:
        log.warning("service_token_refused", audience=audience, reason=str(error))
        raise Refused("service_token_refused", "A valid service token for this context is needed.") from error
    return Caller(claims["iss"], frozenset(str(claims["scope"]).split()) & granted(claims["iss"]))


@lru_cache(maxsize=256)
def _claimed(token: str) -> tuple[str, str]:
    """Return whose token it says it is, and the name of the key."""
    header = jwt.get_unverified_header(token)
    if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
        raise jwt.InvalidTokenError("not a service token")
    claimed = jwt.decode(token, options={"verify_signature": False})
    return str(claimed.get("iss", "")), str(header.get("kid", ""))


@dataclass(frozen=True)
class _Key:
    """A public key by its name, which is its thumbprint: two of one name are one."""

    kid: str
    key: Ed25519PublicKey = field(compare=False)


@lru_cache(maxsize=256)
def _verified(token: str, issuer: str, audience: str, public: _Key) -> dict[str, Any]:
    """Return the claims of a token that this key has signed."""
    claims: dict[str, Any] = jwt.decode(
        token,
        public.key,
        algorithms=[ALGORITHM],
        audience=audience,
        issuer=issuer,
        leeway=LEEWAY,
        options={"require": ["iss", "aud", "scope", "iat", "exp"]},
    )
    if int(claims["exp"]) - int(claims["iat"]) > LIFETIME:
        raise jwt.InvalidTokenError("it lives too long")
    return claims
