"""One message on its way to a provider: composed, sent, concluded. Nothing that happens to it reaches the others."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

import structlog

from contexts.notification.adapters import Receipt, Refused, SendError, Session, TemplateBroken
from contexts.notification.domain import MAX_ATTEMPTS
from contexts.notification.models import DeliveryAttempt, Message
from contexts.notification.usecases.composition import Composed, Composer, TemplateMissing
from ecommerce.observability import context as request_context
from ecommerce.observability import tracing

log = structlog.get_logger(__name__)


@dataclass
class Letter:
    """A claimed message and what has become of it so far."""

    message: Message
    composed: Composed | None = None
    receipt: Receipt | None = None
    problem: Exception | None = None
    duration: float = 0.0

    def compose(self, composer: Composer) -> None:
        try:
            if self.message.attempts > MAX_ATTEMPTS:
                raise Refused("The last attempt ended without a record.")
            self.composed = composer.compose(self.message)
        except Exception as problem:
            self._keep(problem)

    def send(self, session: Session) -> None:
        """Hand it to the provider, unless it could not be composed. Uses no database: runs in threads."""
        if self.composed is None:
            return
        started, message = time.monotonic(), self.message
        asked = {"correlation_id": message.correlation_id, "traceparent": message.traceparent}
        attributes = {"messaging.message.id": str(message.id), "notification.kind": message.kind}
        span = tracing.span(f"send {message.channel}", attributes, kind="client", parent=message.traceparent)
        try:
            with request_context.bound(**asked), span:
                self.receipt = session.send(self.composed.outgoing)
        except Exception as problem:
            self._keep(problem)
        self.duration = time.monotonic() - started

    def conclude(self, *, now: datetime) -> DeliveryAttempt:
        """Move the message to its next state and return the record of this attempt, unsaved."""
        message, outcome = self.message, DeliveryAttempt.Outcome
        attempt = DeliveryAttempt(message=message, number=message.attempts, at=now)
        attempt.duration_ms = int(self.duration * 1000)
        if self.receipt and self.composed:
            message.mark_sent(now=now, provider_id=self.receipt.provider_id, version=self.composed.version)
            attempt.outcome, attempt.response = outcome.SENT, self.receipt.response
            return attempt
        final = isinstance(self.problem, Refused)
        message.mark_failed(now=now, error=self._reason(), final=final, jitter=random.random())
        attempt.outcome, attempt.error = outcome.PERMANENT if final else outcome.TEMPORARY, self._reason()
        return attempt

    def _keep(self, problem: Exception) -> None:
        self.problem = problem
        if not isinstance(problem, SendError | TemplateBroken | TemplateMissing):
            log.exception("message_failed", message_id=str(self.message.id))

    def _reason(self) -> str:
        if isinstance(self.problem, SendError | TemplateBroken | TemplateMissing):
            return str(self.problem)
        return f"{type(self.problem).__name__}: {self.problem}"


def send_all(letters: Sequence[Letter], *, sessions: Sequence[Session], pool: Executor) -> None:
    """Send ``letters`` over all ``sessions`` at once, each session one after the other; return when all are through."""
    shares = [
        pool.submit(_send_each, letters[place :: len(sessions)], session) for place, session in enumerate(sessions)
    ]
    for share in shares:
        share.result()


def _send_each(letters: Sequence[Letter], session: Session) -> None:
    for letter in letters:
        letter.send(session)
