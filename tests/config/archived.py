"""Events in the tables of catalog and cart, and the command that looks after them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connections

from contexts.catalog.events import VariantPriceChanged
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox.models import ParkedMessage
from ecommerce.messaging.envelope import Envelope
from ecommerce.money import Money
from ecommerce.outbox.models import OutboxEvent
from ecommerce.topology import Topology, current

ALIASES = ["identity", "catalog", "cart", "order", "promotion", "notification"]
HANDLER = "cart.remember_variant_price"
TYPE = VariantPriceChanged.type
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

all_databases = pytest.mark.django_db(databases=ALIASES)
catalog_and_cart = pytest.mark.django_db(databases=["catalog", "cart"])
cart_only = pytest.mark.django_db(databases=["cart"])

ARCHIVE = """
    INSERT INTO outbox_archive (id, event_id, aggregate_type, aggregate_id, aggregate_version, event_type, payload,
                                headers, attempts, origin, created_at, published_at)
    VALUES (%s, %s, 'variant', %s, %s, %s, %s::jsonb, %s::jsonb, 1, 'app', %s, %s)
"""


class Ran:
    """What the command wrote before it ended."""

    def __init__(self) -> None:
        self.out, self.err = StringIO(), StringIO()

    def __call__(self, *arguments: object) -> str:
        call_command("events", *map(str, arguments), stdout=self.out, stderr=self.err)
        return self.out.getvalue()

    @property
    def last_line(self) -> str:
        return self.out.getvalue().rstrip().splitlines()[-1]


class Listener:
    """A handler that only notes what it is handed, and refuses one subject."""

    def __init__(self) -> None:
        self.heard: list[Envelope] = []
        self.refused = ""

    def __call__(self, event: VariantPriceChanged, envelope: Envelope) -> None:
        if envelope.subject == self.refused:
            raise ValueError("not now")
        self.heard.append(envelope)


def archive(
    number: int, *, price: str = "9.90", at: datetime = NOON, variant_id: UUID | None = None, type_: str = TYPE
) -> Envelope:
    """Put a change of price into catalog's archive, as the relay does; its version is ``number``."""
    subject = variant_id or new_id()
    envelope = Envelope(
        id=new_id(), source="/contexts/catalog", type=type_, subject=str(subject), time=at, partitionkey=str(subject),
        sequence=number,
    )  # fmt: skip
    change = VariantPriceChanged(variant_id=subject, old_price=brl("1.00"), new_price=brl(price))
    texts = codec.encode(change).decode(), codec.encode(envelope.headers()).decode()
    with connections["catalog"].cursor() as cursor:
        cursor.execute(ARCHIVE, [number, envelope.id, str(subject), number, type_, *texts, at, at])
    return envelope


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def held(status: str, *, version: int = 1) -> OutboxEvent:
    return OutboxEvent.objects.using("cart").create(
        event_id=new_id(), aggregate_type="cart", aggregate_id=str(new_id()), aggregate_version=version, partition_no=0,
        event_type="cart.abandoned.v1", payload={}, headers={}, status=status, attempts=10,
        last_error="no queue is bound\nto this type", created_at=clock.now() - timedelta(seconds=90),
    )  # fmt: skip


def parked(
    *, consumer: str = HANDLER, status: str = "PARKED", message_id: UUID | None = None, type_: str = TYPE
) -> ParkedMessage:
    return ParkedMessage.objects.using("cart").create(
        consumer=consumer, message_id=message_id or new_id(), partition_key=str(new_id()), event_type=type_, headers={},
        body="{}", reason="ValueError: not now", status=status, attempts=7, available_at=NOON, created_at=NOON,
    )  # fmt: skip


def remote(settings: Any, name: str) -> None:
    contexts = (replace(each, local=each.name != name) for each in current().contexts)
    settings.TOPOLOGY = Topology(tuple(contexts))
