"""Bounded reads of notification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F

from contexts.notification.domain import KINDS, Category, Channel, email_key, masked, refusal
from contexts.notification.models import DeliveryAttempt, Message, Preference, Template, TemplateVersion
from ecommerce.errors import NotFound
from ecommerce.links import without_tokens

CAP_WINDOW = timedelta(days=1)
STANDING = """
    SELECT 'wish', recipient_key, channel, allowed::int FROM preferences
    WHERE recipient_key = ANY(%(keys)s) AND category = %(category)s
"""
STANDING_MARKETING = f"""
    {STANDING} UNION ALL
    SELECT 'recent', recipient_key, channel, count(*)::int FROM messages
    WHERE recipient_key = ANY(%(keys)s) AND category = %(category)s AND created_at > %(since)s
      AND status IN ('queued', 'sending', 'sent')
    GROUP BY recipient_key, channel
"""  # noqa: S608 - both parts are constants


class MessageNotFound(NotFound):
    code = "message_not_found"


class TemplateNotFound(NotFound):
    code = "template_not_found"


@dataclass
class Standing:
    """What stands in favour of and against writing to some recipients in one category."""

    wishes: dict[tuple[str, str], bool] = field(default_factory=dict)
    """(recipient key, channel): allowed."""
    recent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Marketing messages within the window of the cap, by recipient key."""

    def wishes_of(self, keys: Iterable[str], channel: str) -> list[bool]:
        return [self.wishes[key, channel] for key in keys if (key, channel) in self.wishes]


def standing(*, keys: Collection[str], category: Category, now: datetime) -> Standing:
    """Return the wishes of recipients and, for marketing, how much they were sent within a day. One statement."""
    found = Standing()
    statement = STANDING_MARKETING if category is Category.MARKETING else STANDING
    parameters = {"keys": list(keys), "category": category.value, "since": now - CAP_WINDOW}
    with connections["notification"].cursor() as cursor:
        cursor.execute(statement, parameters)
        for sort, key, channel, number in cursor.fetchall():
            if sort == "wish":
                found.wishes[key, channel] = bool(number)
            else:
                found.recent[key] += number
    return found


def opted_out(messages: Sequence[Message]) -> set[UUID]:
    """Return the ids of those messages whose recipients have refused their kind by now. One statement."""
    keys = {message.id: {message.recipient_key, email_key(message.recipient)} for message in messages}
    refused = set(
        Preference.objects.filter(allowed=False, recipient_key__in=set().union(*keys.values())).values_list(
            "recipient_key", "channel", "category"
        )
    )
    return {
        message.id
        for message in messages
        if any((key, message.channel, message.category) in refused for key in keys[message.id])
    }


def published_versions(*, channel: Channel, kinds: Collection[str]) -> dict[tuple[str, str], TemplateVersion]:
    """Return what is published for ``kinds`` on one channel, by (kind, locale). One statement."""
    templates = Template.objects.filter(channel=channel, key__in=kinds, published__isnull=False)
    return {
        (template.key, template.locale): template.published
        for template in templates.select_related("published")
        if template.published
    }


def pinned_versions(messages: Sequence[Message]) -> dict[UUID, TemplateVersion]:
    """Return the versions that messages insist on, by version id; no statement if none does."""
    ids = {message.template_version_id for message in messages if message.template_version_id}
    return TemplateVersion.objects.in_bulk(ids) if ids else {}


LISTED = (
    "id", "event_id", "event_type", "about", "kind", "category", "channel", "locale", "recipient", "subject", "status",
    "reason", "attempts", "resends", "next_attempt_at", "last_error", "provider_id", "created_at", "sent_at",
)  # fmt: skip


def messages_page(*, filters: dict[str, Any], before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Return up to ``limit`` + 1 messages, newest first, from before ``before``; addresses are masked. One statement.

    ``filters`` holds exact values of status, channel, kind, event_type, about, event_id, recipient.
    """
    rows = Message.objects.filter(**filters)
    if before:
        rows = rows.filter(id__lt=before)
    page = list(rows.order_by("-id").values(*LISTED)[: limit + 1])
    for row in page:
        row["recipient"] = masked(row["recipient"])
    return page


def message_detail(message_id: UUID) -> dict[str, Any]:
    """Return one message with its text, without the tokens of its links, and its attempts, newest last. Two statements.

    Raises:
        MessageNotFound: unknown.
    """
    row: dict[str, Any] | None = (
        Message.objects.filter(id=message_id)
        .annotate(template_version_number=F("template_version__number"))
        .values(*LISTED, "template_version_number", "body_text", "body_html")
        .first()
    )
    if row is None:
        raise MessageNotFound("Mensagem não encontrada.")
    row |= {name: without_tokens(row[name]) for name in ("body_text", "body_html")}
    row["delivery_attempts"] = list(
        DeliveryAttempt.objects.filter(message=message_id).values(
            "number", "at", "outcome", "error", "response", "duration_ms"
        )
    )
    return row


def templates_list() -> list[dict[str, Any]]:
    """Return every template (a few dozen) with the number of its published version. One statement."""
    rows = Template.objects.annotate(published_number=F("published__number")).values(
        "id", "key", "channel", "locale", "published_number", "revision", "updated_at"
    )
    return [{**row, "category": KINDS[row["key"]].category, "name": KINDS[row["key"]].label} for row in rows]


def template_by_id(template_id: UUID, *, lock: bool = False) -> Template:
    """Return a template with its published version; ``lock`` its row, inside a unit of work.

    Raises:
        TemplateNotFound: unknown.
    """
    rows = Template.objects.select_related("published")
    if lock:
        rows = rows.select_for_update(of=("self",))
    template = rows.filter(id=template_id).first()
    if template is None:
        raise TemplateNotFound("Modelo não encontrado.")
    return template


def template_detail(template: Template) -> dict[str, Any]:
    """Return a template (with its published version at hand) and its newest versions. One statement."""
    return {
        "id": template.id,
        "key": template.key,
        "name": KINDS[template.key].label,
        "category": KINDS[template.key].category,
        "channel": template.channel,
        "locale": template.locale,
        "published_number": template.published.number if template.published else None,
        "revision": template.revision,
        "updated_at": template.updated_at,
        "versions": template_versions(template.id),
    }


def template_versions(template_id: UUID, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the newest versions of a template, newest first. One statement."""
    rows = TemplateVersion.objects.filter(template=template_id)
    columns = ("number", "subject", "body_text", "body_html", "created_by", "created_at")
    return [{**row} for row in rows.values(*columns)[:limit]]


def preferences(*, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return what applies to one person on every channel and in every category. One statement."""
    chosen: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for channel, category, allowed in Preference.objects.filter(recipient_key__in=keys).values_list(
        "channel", "category", "allowed"
    ):
        chosen[channel, category].append(allowed)
    return [
        {
            "channel": channel,
            "category": category,
            "allowed": not refusal(channel=channel, category=category, wishes=chosen[channel, category]),
            "chosen": bool(chosen[channel, category]),
        }
        for channel in Channel
        for category in Category
    ]
