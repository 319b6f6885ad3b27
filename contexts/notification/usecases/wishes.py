"""What recipients allow: preferences, the unsubscribe link, push subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core import signing

from contexts.notification.models import Preference, PushSubscription
from ecommerce.errors import NotFound
from ecommerce.unit_of_work import unit_of_work

SALT = "notification.unsubscribe"


class BadUnsubscribeLink(NotFound):
    """The link was altered or cut off."""

    code = "bad_unsubscribe_link"


@dataclass(frozen=True, kw_only=True)
class Choice:
    channel: str
    category: str
    allowed: bool


@dataclass(frozen=True, kw_only=True)
class UnsubscribeLink:
    """What an unsubscribe link is about: all the keys of one recipient, one channel, one category."""

    keys: list[str]
    channel: str
    category: str


def unsubscribe_url(*, keys: Sequence[str], channel: str, category: str) -> str:
    """Return a link that takes its bearer off one kind of message. It names nobody in clear and does not expire."""
    signed = signing.dumps([channel, category, *keys], salt=SALT)
    return f"{settings.PUBLIC_URL}/api/v1/unsubscribe/{signed}"


def read_unsubscribe_link(signed: str) -> UnsubscribeLink:
    """Return what a link is about.

    Raises:
        BadUnsubscribeLink: the signature does not match.
    """
    try:
        channel, category, *keys = signing.loads(signed, salt=SALT)
    except signing.BadSignature as error:
        raise BadUnsubscribeLink("Este link não é válido.") from error
    return UnsubscribeLink(keys=keys, channel=channel, category=category)


def unsubscribe(*, signed: str, now: datetime) -> None:
    """Refuse what the link is about, for the account and the address. Idempotent.

    Raises:
        BadUnsubscribeLink: the signature does not match.
    """
    link = read_unsubscribe_link(signed)
    choice = Choice(channel=link.channel, category=link.category, allowed=False)
    set_preferences(keys=link.keys, choices=[choice], now=now)


def set_preferences(*, keys: Sequence[str], choices: Sequence[Choice], now: datetime) -> None:
    """Store ``choices`` under every one of ``keys``; what is not named stays. One statement."""
    with unit_of_work("notification"):
        Preference.objects.bulk_create(
            [Preference(recipient_key=key, **asdict(choice), updated_at=now) for key in keys for choice in choices],
            update_conflicts=True,
            unique_fields=["recipient_key", "channel", "category"],
            update_fields=["allowed", "updated_at"],
        )


def add_push_subscription(*, customer_id: UUID, endpoint: str, p256dh: str, auth: str, now: datetime) -> None:
    """Remember where a customer's browser listens. Idempotent per endpoint; the last customer to sign in owns it."""
    with unit_of_work("notification"):
        PushSubscription.objects.bulk_create(
            [
                PushSubscription(
                    customer_id=customer_id,
                    endpoint=endpoint,
                    p256dh=p256dh,
                    auth=auth,
                    created_at=now,
                    updated_at=now,
                )
            ],
            update_conflicts=True,
            unique_fields=["endpoint"],
            update_fields=["customer_id", "p256dh", "auth", "updated_at"],
        )


def remove_push_subscription(*, customer_id: UUID, endpoint: str) -> None:
    """Forget a customer's browser. Idempotent; another customer's is left alone."""
    with unit_of_work("notification"):
        PushSubscription.objects.filter(customer_id=customer_id, endpoint=endpoint).delete()
