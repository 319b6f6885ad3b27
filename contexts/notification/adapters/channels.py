"""What every channel offers: is it configured, and a session that sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

from contexts.notification.domain import Outgoing


class SendError(Exception):
    """A provider did not take a message. Not a refusal to our caller, hence no DomainError."""


class Refused(SendError):
    """The provider said no and would say it again: a bad address, a rejected content."""


class Unreachable(SendError):
    """No answer, or a temporary one; whether an unanswered message was taken is unknown."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The provider took the message. ``provider_id`` is its name for it, ``response`` what it answered."""

    provider_id: str = ""
    response: str = ""


class Session(ABC):
    """One connection to a provider, for the messages of one batch."""

    @abstractmethod
    def send(self, message: Outgoing) -> Receipt:
        """Hand ``message`` to the provider.

        Raises:
            Refused: for good.
            Unreachable: for now.
        """


class ChannelAdapter(ABC):
    @abstractmethod
    def is_configured(self) -> bool:
        """Say whether this installation has a provider for this channel."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Open a session; it connects at the first message, not before."""
