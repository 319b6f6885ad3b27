"""The tokens that an app gets for its session."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from allauth.core.internal.httpkit import authenticated_user
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.conf import settings
from django.http import HttpRequest

from contexts.identity import queries, usecases
from contexts.identity.models import User
from ecommerce.clock import now


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

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any]:
        """Return the tokens of a session that has just logged in."""
        session_key = str(request.session.session_key)
        refresh_token, token_id = _refresh_token(authenticated_user(request), session_key)
        usecases.hand_out_refresh_token(session_key=session_key, token_id=token_id)
        return {"access_token": self.create_access_token(request), "refresh_token": refresh_token}

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """Return a new access and refresh token; a token that comes back a second time ends its session."""
        payload = internal.decode_token(refresh_token, "refresh")
        session = internal.get_token_session(payload) if payload else None
        user = internal.validate_token_user(payload, session) if session else None
        if session is None or user is None:
            return None
        next_token, next_id = _refresh_token(user, session.session_key)
        good = usecases.exchange_refresh_token(
            session_key=session.session_key,
            used_id=UUID(payload["jti"]),
            next_id=next_id,
            expires_at=now() + timedelta(seconds=settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN),
        )
        return (internal.create_access_token(user, session, self.get_claims(user)), next_token) if good else None


def _refresh_token(user: User, session_key: str) -> tuple[str, UUID]:
    """Return a signed refresh token and its id."""
    token, payload = internal.create_token(
        "refresh",
        sub=str(user.pk),
        sid=internal.session_key_to_sid(session_key),
        expires_in=settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN,
    )
    return token, UUID(payload["jti"])


def session_key_of(claims: Any) -> str | None:
    """Return the key of the session that an access token was made for."""
    return internal.session_key_from_sid(claims.get("sid", "")) if claims else None
