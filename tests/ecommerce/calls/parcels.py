"""A toy interface, which takes the place of catalog's, and a provider that does what a test says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import Conflict


class AlreadySent(Conflict):
    """``at`` says when."""

    code = "already_sent"


class UnknownToCallers(Conflict):
    """Raised by a provider that is newer than its callers; see how tests hide it."""

    code = "unknown_to_callers"


@dataclass(frozen=True, kw_only=True)
class Label:
    lines: Annotated[list[str], AtMost(2)]


@dataclass(frozen=True, kw_only=True)
class Parcel:
    id: UUID
    label: Label | None = None


class ParcelInterface(ABC):
    @operation("catalog:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(3)]) -> list[Parcel]:
        """Return parcels."""

    @operation("catalog:write", idempotent=False, timeout=2)
    @abstractmethod
    def send(self, *, parcel: Parcel, quickly: bool = False) -> None:
        """Send a parcel.

        Raises:
            AlreadySent
        """


class Post(ParcelInterface):
    """Answers with what ``answer`` returns for the method's name and arguments; remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda name, arguments: [] if name == "find" else None

    def find(self, **arguments: Any) -> list[Parcel]:
        self.calls.append(("find", arguments))
        found: list[Parcel] = self.answer("find", arguments)
        return found

    def send(self, **arguments: Any) -> None:
        self.calls.append(("send", arguments))
        self.answer("send", arguments)
