"""Web Push. Subscriptions are kept, but nothing can be sent yet.

A push must be encrypted for the browser (RFC 8291) and signed with the shop's VAPID key (RFC 8292), which needs a
library this installation does not have. The channel says so; messages are recorded as not sent for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contexts.notification.adapters.channels import ChannelAdapter, Receipt, Session, Unreachable
from contexts.notification.domain import Outgoing


class PushSession(Session):
    def send(self, message: Outgoing) -> Receipt:
        raise Unreachable("Web Push is not configured.")


class PushChannel(ChannelAdapter):
    def is_configured(self) -> bool:
        return False

    @contextmanager
    def session(self) -> Iterator[Session]:
        yield PushSession()
