"""From a recorded message and its template to what a channel sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.notification.domain import DEFAULT_LOCALE, Category, Channel, Outgoing, email_key
from contexts.notification.models import Message, TemplateVersion
from contexts.notification.queries import pinned_versions, published_versions
from contexts.notification.usecases.templates import TEST_EVENT, fill, install_missing_templates
from contexts.notification.usecases.wishes import unsubscribe_url


class TemplateMissing(Exception):
    """Nothing is published for this occasion, channel and language."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    outgoing: Outgoing
    version: TemplateVersion


@dataclass(frozen=True, kw_only=True)
class Composer:
    """The template versions that one batch needs."""

    published: dict[tuple[str, str], TemplateVersion]
    pinned: dict[UUID, TemplateVersion]

    @classmethod
    def for_messages(cls, messages: Sequence[Message], *, channel: Channel, now: datetime) -> Composer:
        """Read them; what is missing altogether is installed as it came with the program. One or two statements."""
        kinds = {message.kind for message in messages}
        published = published_versions(channel=channel, kinds=kinds)
        if not kinds <= {kind for kind, _ in published}:
            install_missing_templates(now=now)
            published = published_versions(channel=channel, kinds=kinds)
        return cls(published=published, pinned=pinned_versions(messages))

    def compose(self, message: Message) -> Composed:
        """Fill the template of ``message`` and keep the text on it.

        Raises:
            TemplateMissing: nothing is published, in its language nor in the shop's.
            TemplateBroken: what is published cannot be filled.
        """
        version = self._version(message)
        link = _unsubscribe_url(message)
        rendered = fill(
            subject=version.subject,
            body_text=version.body_text,
            body_html=version.body_html,
            context=message.context,
            locale=message.locale,
            unsubscribe_url=link,
        )
        prefix = "[Teste] " if message.event_type == TEST_EVENT else ""
        message.subject = prefix + rendered.subject
        message.body_text, message.body_html = rendered.text, rendered.html
        outgoing = Outgoing(
            reference=message.reference,
            recipient=message.recipient,
            subject=message.subject,
            text=message.body_text,
            html=message.body_html,
            headers=_headers(link),
        )
        return Composed(outgoing=outgoing, version=version)

    def _version(self, message: Message) -> TemplateVersion:
        if message.template_version_id:
            return self.pinned[message.template_version_id]
        for locale in (message.locale, DEFAULT_LOCALE):
            if version := self.published.get((message.kind, locale)):
                return version
        raise TemplateMissing(f"No template is published for {message.kind}, {message.channel}, {message.locale}.")


def _unsubscribe_url(message: Message) -> str:
    if message.category != Category.MARKETING:
        return ""
    keys = list(dict.fromkeys([message.recipient_key, email_key(message.recipient)]))
    return unsubscribe_url(keys=keys, channel=message.channel, category=message.category)


def _headers(link: str) -> dict[str, str]:
    """RFC 8058: a mailbox provider may unsubscribe its user with one POST."""
    if not link:
        return {}
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
