"""The session engine: Django's database sessions in a table that knows whose session it is, and on which device."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from contexts.identity.models import Session
from ecommerce.clock import now
from ecommerce.ids import new_id

DEVICE = "device"
"""The key, in the session's data, of what is copied to columns: id, since, ip and user_agent."""


class SessionStore(DatabaseStore):
    """Used through ``SESSION_ENGINE``. Every save writes the whole row, so the columns are derived from the data."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        device = data.setdefault(DEVICE, {"id": str(new_id()), "since": now().isoformat()})
        row = super().create_model_instance(data)
        assert isinstance(row, Session)
        row.id = UUID(device["id"])
        row.created_at = datetime.fromisoformat(device["since"]).astimezone(UTC)
        row.user_id = UUID(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.ip = device.get("ip")
        row.user_agent = device.get("user_agent", "")
        return row

    def save(self, must_create: bool = False) -> None:
        """Store the session.

        Raises:
            SessionInterrupted: it was ended while this request ran; the client gets a 400.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            raise SessionInterrupted("The session was ended while the request ran.") from error

    def cycle_key(self) -> None:
        """Move the session to a new key. For a moment both rows exist, so the new one gets an id of its own."""
        if device := self.get(DEVICE):
            self[DEVICE] = {**device, "id": str(new_id())}
        super().cycle_key()

    def _get_new_session_key(self) -> str:
        # Without Django's SELECT for a collision: the INSERT that follows finds one, and create() tries again.
        return get_random_string(32, VALID_KEY_CHARS)


def name_device(session: SessionBase, *, ip: str | None, user_agent: str) -> None:
    """Note in ``session`` where it was opened; the next save stores it."""
    device = session.get(DEVICE) or {"id": str(new_id()), "since": now().isoformat()}
    session[DEVICE] = {**device, "ip": ip, "user_agent": user_agent[:200]}
