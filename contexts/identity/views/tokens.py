"""The tokens that an app gets for its session."""

from functools import partial
from typing import Any

from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.conf import settings
from django.http import HttpRequest

from contexts.identity import queries, usecases
from contexts.identity.models import User


class TokenStrategy(JWTTokenStrategy):
    """A signed access token for minutes, verified without a database; a refresh token that works once.

    Named by ``HEADLESS_TOKEN_STRATEGY``.
    """

    def create_session_token(self, request: HttpRequest) -> str:
        """Return the session token that carries an app through a login of several steps, else an empty one.

        Once logged in an app has its tokens; a session token beside them would be a credential that never rotates.
        """
        key = super().create_session_token(request)
        return "" if request.user.is_authenticated else key

    def get_claims(self, user: User) -> dict[str, Any]:
        claims = {
            "email": user.email,
            "email_verified": queries.is_email_verified(user),
            "staff": user.is_staff,
            "scope": " ".join(queries.scopes(user)),
        }
        if settings.JWT_ISSUER:
            claims["iss"] = settings.JWT_ISSUER
        if settings.JWT_AUDIENCE:
            claims["aud"] = settings.JWT_AUDIENCE
        return claims

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """Return a new access and refresh token; a token that comes back a second time ends its session."""
        payload = internal.decode_token(refresh_token, "refresh")
        session_key = internal.session_key_from_sid(payload["sid"]) if payload else None
        if not session_key:
            return None
        return usecases.exchange_refresh_token(
            session_key=session_key, exchange=partial(super().refresh_token, refresh_token)
        )


def session_key_of(claims: Any) -> str | None:
    """Return the key of the session that an access token was made for."""
    return internal.session_key_from_sid(claims.get("sid", "")) if claims else None
