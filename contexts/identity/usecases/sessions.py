"""Sessions, and the refresh tokens that live in them."""

from datetime import datetime
from uuid import UUID

import structlog

from contexts.identity.models import Session
from ecommerce.errors import NotFound
from ecommerce.unit_of_work import unit_of_work

logger = structlog.get_logger(__name__)


class SessionNotFound(NotFound):
    code = "session_not_found"


def hand_out_refresh_token(*, session_key: str, token_id: UUID) -> None:
    """Make ``token_id`` the one good refresh token of a session."""
    with unit_of_work("identity"):
        Session.objects.filter(session_key=session_key).update(refresh_token_id=token_id)


def exchange_refresh_token(*, session_key: str, used_id: UUID, next_id: UUID, expires_at: datetime) -> bool:
    """Make ``next_id`` the good refresh token of a session instead of ``used_id``; tell whether that one was good.

    The caller has checked that the used token is genuine and not expired. If it is not the good one it was used before:
    somebody holds a copy, and nobody can tell who. Then the session ends, and with it every token of the family. Of
    parallel calls with one token at most one gets through.
    """
    with unit_of_work("identity"):
        sessions = Session.objects.filter(session_key=session_key)
        good = sessions.filter(refresh_token_id=used_id).update(refresh_token_id=next_id, expire_date=expires_at)
        if not good and sessions.delete()[0]:
            logger.warning("a used refresh token came back, session ended", used_id=str(used_id))
    return bool(good)


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
