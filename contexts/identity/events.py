"""What identity publishes. Aggregate ``user``. Events carry ids, never personal data: ask the interface for it."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class UserRegistered:
    """An account was made; its e-mail is not verified yet."""

    type: ClassVar[str] = "identity.user_registered.v1"
    aggregate: ClassVar[str] = "user"

    user_id: UUID
    locale: str


@dataclass(frozen=True, kw_only=True)
class UserEmailVerified:
    """The account proved that it owns its current e-mail."""

    type: ClassVar[str] = "identity.user_email_verified.v1"
    aggregate: ClassVar[str] = "user"

    user_id: UUID
