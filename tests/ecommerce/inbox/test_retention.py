"""The inbox forgets old messages, and never what keeps duplicates and earlier versions out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox import retention, tasks
from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from ecommerce.inbox.retention import forget
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import PREFIX
from tests.ecommerce.inbox.effects import Effects, delivery, written

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = LONG_AGO + timedelta(days=1)


def grow_old(at: datetime = LONG_AGO) -> None:
    InboxMessage.objects.using("order").update(handled_at=at)


def remembered() -> list[int]:
    return list(InboxMessage.objects.using("order").order_by("sequence").values_list("sequence", flat=True))


def replayed(message: Delivery) -> Delivery:
    return Delivery(1, {**message.headers, f"{PREFIX}replay": "run"}, message.data)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_of_each_key_the_latest_version_is_remembered(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(retention, "PAGE", page)
    first, second = new_id(), new_id()
    consumer.handle([delivery(first, version) for version in (1, 2, 3)] + [delivery(second, 4)])
    grow_old()  # all at one moment

    assert forget("order", before=LATER) == 2

    assert remembered() == [3, 4]
    assert forget("order", before=LATER) == 0


def test_duplicates_and_earlier_versions_are_kept_out_after_they_were_forgotten(consumer: Consumer) -> None:
    order_id = new_id()
    messages = [delivery(order_id, version) for version in (1, 2, 3)]
    consumer.handle(messages)
    grow_old()
    forget("order", before=LATER)

    consumer.handle(messages[::-1])

    assert [version for _, version in written()] == [1, 2, 3]
    parked = ParkedMessage.objects.using("order").order_by("id").first()
    assert parked is not None
    assert parked.reason == "Overtaken: version 2 came after version 3 took effect"


def test_what_is_not_old_is_remembered(consumer: Consumer) -> None:
    order_id = new_id()
    consumer.handle([delivery(order_id, version) for version in (1, 2)])
    grow_old(LATER)

    assert forget("order", before=LATER) == 0

    assert remembered() == [1, 2]


def test_what_was_handled_without_a_version_is_forgotten_by_its_age(consumer: Consumer) -> None:
    order_id = new_id()
    consumer.handle([delivery(order_id, 5)])
    consumer.handle([replayed(delivery(order_id, 1)), replayed(delivery(new_id(), 1))])
    grow_old()

    assert forget("order", before=LATER) == 2

    assert remembered() == [5]


def test_a_message_that_is_parked_although_it_took_effect_is_remembered(consumer: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    parked = ParkedMessage.objects.using("order").get()
    # Whoever tries a parked message again may die between its effect and the end of the parked row.
    for message_id, version in (parked.message_id, 1), (new_id(), 2):
        InboxMessage.objects.using("order").create(
            consumer=parked.consumer, message_id=message_id, event_type=parked.event_type,
            partition_key=parked.partition_key, sequence=version, outcome="HANDLED", handled_at=LONG_AGO,
        )  # fmt: skip

    assert forget("order", before=LATER) == 0


@pytest.mark.parametrize(
    ("inbox", "archive", "age", "left"), [(90, 30, 89, 2), (90, 30, 91, 1), (10, 30, 59, 2), (10, 30, 61, 1)]
)
def test_messages_are_remembered_for_longer_than_any_archive_or_queue_holds_them(
    consumer: Consumer, settings: Settings, monkeypatch: pytest.MonkeyPatch, inbox: int, archive: int, age: int,
    left: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(tasks, "local_aliases", lambda: ["order"])
    settings.INBOX_RETENTION_DAYS, settings.OUTBOX_ARCHIVE_DAYS = inbox, archive
    order_id = new_id()
    consumer.handle([delivery(order_id, version) for version in (1, 2)])
    grow_old(clock.now() - timedelta(days=age))

    tasks.maintain_inboxes()

    assert len(remembered()) == left
