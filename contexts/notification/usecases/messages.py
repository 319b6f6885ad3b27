"""Messages are recorded here; the delivery task sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from contexts.notification.domain import KINDS, Category, Channel, MessageKind, Reason, Recipient, refusal
from contexts.notification.models import Message
from contexts.notification.queries import MessageNotFound, Standing, standing
from ecommerce.unit_of_work import unit_of_work


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The event that leads to a message. ``outdated``: its reason is gone, so that it is recorded but not sent."""

    event_id: UUID
    event_type: str
    about: str
    replay: bool = False
    outdated: bool = False


def queue_message(
    *, kind: str, recipients: Sequence[Recipient], cause: Cause, context: dict[str, Any], now: datetime
) -> None:
    """Queue what ``kind`` says to each of at most 500 recipients, on each of its channels that they want.

    Idempotent per event, recipient and channel. What may not be sent is recorded with its reason; SMS and push leave
    no trace unless asked for. One transaction; two statements, three for marketing, whatever the number of recipients.
    """
    occasion = KINDS[kind]
    keys = {key for recipient in recipients for key in recipient.keys}
    with unit_of_work("notification"):
        if occasion.category is Category.MARKETING:
            Message.objects.take_turns(sorted(keys))
        known = standing(keys=keys, category=occasion.category, now=now)
        Message.objects.enqueue(
            [
                Message.prepared(
                    kind=occasion,
                    channel=channel,
                    recipient=recipient,
                    event_id=cause.event_id,
                    event_type=cause.event_type,
                    about=cause.about,
                    context=context,
                    reason=reason,
                    now=now,
                )
                for recipient in recipients
                for channel, reason in _channels(occasion, recipient, cause, known)
            ]
        )


def _channels(kind: MessageKind, recipient: Recipient, cause: Cause, known: Standing) -> Iterator[tuple[Channel, str]]:
    """Yield the channels on which a message is recorded, each with the reason not to send it, if any."""
    for channel in kind.channels:
        reason = _reason(kind, channel, recipient, known)
        if channel is not Channel.EMAIL and reason:
            continue
        if cause.replay:
            reason = Reason.REPLAY
        elif cause.outdated:
            reason = Reason.OUTDATED
        yield channel, reason


def _reason(kind: MessageKind, channel: Channel, recipient: Recipient, known: Standing) -> str:
    if not recipient.address(channel):
        return Reason.NO_ADDRESS
    wishes = known.wishes_of(recipient.keys, channel)
    if refused := refusal(channel=channel, category=kind.category, wishes=wishes, consent=recipient.consent):
        return refused
    if kind.category is Category.MARKETING and known.recent[recipient.key] >= settings.MARKETING_PER_DAY:
        return Reason.FREQUENCY_CAP
    return ""


def resend_message(*, message_id: UUID, now: datetime) -> None:
    """Queue a sent, failed or held-back message again.

    Raises:
        MessageNotFound: unknown.
        MessageNotResendable: it is still open, or a wish of its recipient stands against it.
    """
    with unit_of_work("notification"):
        message = Message.objects.select_for_update().filter(id=message_id).first()
        if message is None:
            raise MessageNotFound("Mensagem não encontrada.")
        message.resend(now=now)
