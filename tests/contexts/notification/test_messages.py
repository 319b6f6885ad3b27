"""Recording messages: once per event, recipient and channel, also in a race."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from contexts.notification import usecases
from contexts.notification.domain import Recipient
from contexts.notification.models import Message, MessageNotResendable
from contexts.notification.queries import MessageNotFound
from contexts.notification.usecases import Cause
from ecommerce.ids import new_id
from tests.contexts.notification.factories import NOW, MessageFactory
from tests.contexts.notification.parallel import in_parallel


def queue(event_id: Any, recipient: Recipient, kind: str = "order_confirmed") -> None:
    cause = Cause(event_id=event_id, event_type="order.confirmed.v1", about="x")
    usecases.queue_message(kind=kind, recipients=[recipient], cause=cause, context={}, now=NOW)


@pytest.mark.django_db(databases=["notification"])
def test_the_same_event_leads_to_one_message_per_recipient_and_channel() -> None:
    event_id = new_id()
    for email in ("a@example.com", "b@example.com", "a@example.com"):
        queue(event_id, Recipient(email=email))
    queue(new_id(), Recipient(email="a@example.com"))

    assert Message.objects.filter(event_id=event_id).count() == 2
    assert Message.objects.count() == 3


@pytest.mark.django_db(databases=["notification"], transaction=True)
def test_eight_workers_with_the_same_event_record_one_message() -> None:
    event_id, recipient = new_id(), Recipient(email="a@example.com")

    in_parallel(8, lambda number: queue(event_id, recipient))

    assert Message.objects.count() == 1


@pytest.mark.django_db(databases=["notification"], transaction=True)
def test_the_daily_cap_holds_when_eight_events_meet(settings: Any) -> None:
    settings.MARKETING_PER_DAY = 2
    recipient = Recipient(email="a@example.com", consent=True)

    in_parallel(8, lambda number: queue(new_id(), recipient, kind="cart_abandoned"))

    assert Message.objects.filter(status="queued").count() == 2
    assert Message.objects.filter(reason="frequency_cap").count() == 6


@pytest.mark.django_db(databases=["notification"])
@pytest.mark.parametrize(
    "wrong",
    [{"status": "lost"}, {"next_attempt_at": None}, {"status": "sent", "next_attempt_at": None, "sent_at": None},
     {"status": "suppressed", "next_attempt_at": None, "reason": ""}, {"reason": "replay"}],
    ids=["unknown status", "open but never due", "sent but never", "suppressed without reason", "reason but queued"],
)  # fmt: skip
def test_the_database_refuses_a_message_that_contradicts_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        MessageFactory(**wrong)


@pytest.mark.django_db(databases=["notification"])
@pytest.mark.parametrize(
    "state", [{"status": "sent"}, {"status": "failed", "attempts": 8}, {"status": "suppressed", "reason": "replay"}]
)
def test_a_closed_message_can_be_sent_again_under_a_new_name(state: dict[str, Any]) -> None:
    message = MessageFactory(**state)
    before = message.reference

    usecases.resend_message(message_id=message.id, now=NOW)

    message.refresh_from_db()
    assert (message.status, message.attempts, message.next_attempt_at, message.sent_at) == ("queued", 0, NOW, None)
    assert message.reference != before


@pytest.mark.django_db(databases=["notification"])
@pytest.mark.parametrize(
    "state",
    [{"status": "queued"}, {"status": "sending"}, {"status": "suppressed", "reason": "opted_out"},
     {"status": "suppressed", "reason": "no_consent"}, {"status": "suppressed", "reason": "no_address"}],
)  # fmt: skip
def test_an_open_or_unwanted_message_cannot_be_sent_again(state: dict[str, Any]) -> None:
    with pytest.raises(MessageNotResendable):
        usecases.resend_message(message_id=MessageFactory(**state).id, now=NOW)


@pytest.mark.django_db(databases=["notification"])
def test_an_unknown_message_cannot_be_sent_again() -> None:
    with pytest.raises(MessageNotFound):
        usecases.resend_message(message_id=new_id(), now=NOW)


@pytest.mark.django_db(databases=["notification"])
def test_only_closed_messages_past_their_retention_are_purged() -> None:
    old = NOW - timedelta(days=200)
    gone = MessageFactory(status="sent", created_at=old)
    gone.delivery_attempts.create(number=1, at=old, outcome="sent", duration_ms=3)
    kept = [MessageFactory(created_at=old), MessageFactory(status="sent")]

    assert usecases.purge_messages(before=NOW - timedelta(days=180)) == 1
    assert set(Message.objects.values_list("id", flat=True)) == {message.id for message in kept}
