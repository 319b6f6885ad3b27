"""Sessions, and the refresh tokens that live in them."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from contexts.identity.models import Session
from ecommerce.errors import NotFound
from ecommerce.unit_of_work import unit_of_work

logger = structlog.get_logger(__name__)


class SessionNotFound(NotFound):
    code = "session_not_found"


def exchange_refresh_token(
    *, session_key: str, exchange: Callable[[], tuple[str, str] | None]
) -> tuple[str, str] | None:
    """Swap a refresh token for a new pair of access and refresh token, one caller per session at a time.

    ``exchange`` does it within the session and declines a token that the session does not know. The caller has checked
    that the token is genuine and not expired, so such a token was used before: somebody holds a copy, and nobody can
    tell who. Then the session ends, and with it every token of the family; the answer is None.
    """
    with unit_of_work("identity"):
        session = Session.objects.select_for_update().filter(session_key=session_key).only("id", "user_id").first()
        if session is None:
            return None
        pair = exchange()
        if pair is None:
            session.delete()
            logger.warning(
                "refresh token used twice, session ended", session=str(session.id), user=str(session.user_id)
            )
    return pair


def end_session(*, user_id: UUID, session_id: UUID) -> None:
    """Log a customer out of one device. Access tokens in circulation expire by themselves, in minutes.

    Raises:
        SessionNotFound: no such session, or it is another account's.
    """
    with unit_of_work("identity"):
        ended, _ = Session.objects.filter(user=user_id, id=session_id).delete()
    if not ended:
        raise SessionNotFound("Sessão não encontrada.")


def end_sessions(*, user_id: UUID) -> None:
    """Log an account out everywhere."""
    with unit_of_work("identity"):
        Session.objects.filter(user=user_id).delete()


def clear_expired_sessions(*, now: datetime) -> int:
    """Delete the sessions that expired before ``now``; return how many."""
    with unit_of_work("identity"):
        deleted, _ = Session.objects.filter(expire_date__lt=now).delete()
    return deleted
