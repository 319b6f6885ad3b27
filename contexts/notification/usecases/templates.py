"""Templates: draft, look, try, publish, take back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from contexts.notification.adapters import Rendered, TemplateBroken, render
from contexts.notification.domain import KINDS, Category, Channel, Recipient, sample_context, shipped_templates
from contexts.notification.models import Message, Template, TemplateVersion, VersionNotFound
from contexts.notification.queries import template_by_id
from ecommerce.errors import Invalid
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work

PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
TEST_EVENT = "notification.test"
"""The event type of messages that staff send to try a template."""


Precondition = Callable[[int], None]
"""Called with the template's revision under its lock; raises to refuse the change."""


class BadTestRecipient(Invalid):
    """The address of a test is not one that the template's channel can reach."""

    code = "bad_test_recipient"


def fill(
    *,
    subject: str,
    body_text: str,
    body_html: str,
    context: dict[str, Any],
    locale: str,
    unsubscribe_url: str,
    strict: bool = False,
) -> Rendered:
    """Fill a template with its own data and what every template may use: ``shop`` and ``unsubscribe_url``.

    Raises:
        TemplateBroken: it cannot be filled.
    """
    shop = {"name": settings.SHOP_NAME, "url": settings.PUBLIC_URL, "storefront_url": settings.STOREFRONT_URL}
    return render(
        subject=subject,
        body_text=body_text,
        body_html=body_html,
        context={**context, "shop": shop, "unsubscribe_url": unsubscribe_url},
        locale=locale,
        strict=strict,
    )


def preview(
    *, key: str, locale: str, subject: str, body_text: str, body_html: str, context: dict[str, Any] | None = None
) -> Rendered:
    """Fill a text with ``context`` or made-up data; unknown variables are listed and shown as ``⟦name?⟧``.

    Raises:
        TemplateBroken: it cannot be filled.
    """
    link = f"{settings.PUBLIC_URL}/" if KINDS[key].category is Category.MARKETING else ""
    return fill(
        subject=subject,
        body_text=body_text,
        body_html=body_html,
        context=sample_context(key) if context is None else context,
        locale=locale,
        unsubscribe_url=link,
        strict=True,
    )


def add_version(
    *, template_id: UUID, subject: str, body_text: str, body_html: str, created_by: UUID | None, now: datetime
) -> TemplateVersion:
    """Add a draft to a template. It must render; unknown variables are only refused on publication.

    Raises:
        TemplateNotFound: unknown template.
        TemplateBroken: it cannot be filled.
    """
    with unit_of_work("notification"):
        template = template_by_id(template_id, lock=True)
        preview(key=template.key, locale=template.locale, subject=subject, body_text=body_text, body_html=body_html)
        return template.add_version(
            subject=subject, body_text=body_text, body_html=body_html, created_by=created_by, now=now
        )


def publish_version(
    *, template_id: UUID, number: int, now: datetime, precondition: Precondition | None = None
) -> Template:
    """Send this version from now on; an older number is a rollback.

    Raises:
        TemplateNotFound: unknown template.
        VersionNotFound: no version has this number.
        TemplateBroken: the version does not render, or uses variables that its data will not have (``unknown``).
    """
    with unit_of_work("notification"):
        template = _locked(template_id, precondition)
        version = version_by_number(template, number=number)
        check_publishable(template, version=version)
        template.publish(version, now=now)
    return template


def roll_back(*, template_id: UUID, now: datetime, precondition: Precondition | None = None) -> Template:
    """Publish the version before the published one.

    Raises:
        TemplateNotFound: unknown template.
        NoOlderVersion: there is none.
        TemplateBroken: the older version no longer renders.
    """
    with unit_of_work("notification"):
        template = _locked(template_id, precondition)
        version = template.version_before_published()
        check_publishable(template, version=version)
        template.publish(version, now=now)
    return template


def send_test(*, template_id: UUID, number: int | None, recipient: str, now: datetime) -> Message:
    """Queue one version (default the published one) with made-up data; its subject says that it is a test.

    Raises:
        TemplateNotFound: unknown template.
        VersionNotFound: no version has this number, or none is published.
        TemplateBroken: it cannot be filled.
        BadTestRecipient: the channel cannot reach ``recipient``.
    """
    with unit_of_work("notification"):
        template = template_by_id(template_id)
        _check_recipient(template.channel, recipient)
        version = chosen_version(template, number=number)
        preview_version(template, version=version)
        message = Message.prepared(
            kind=KINDS[template.key],
            channel=Channel(template.channel),
            recipient=Recipient(email=recipient, locale=template.locale),
            event_id=new_id(),
            event_type=TEST_EVENT,
            about=str(template.id),
            context=sample_context(template.key),
            reason="",
            now=now,
        )
        message.recipient, message.template_version = recipient, version
        message.save(force_insert=True)
    return message


def preview_template(
    *, template_id: UUID, number: int | None, draft: dict[str, str] | None, context: dict[str, Any] | None
) -> Rendered:
    """Fill ``draft``, or the version ``number``, or the published one, with ``context`` or made-up data. Reads only.

    Raises:
        TemplateNotFound: unknown template.
        VersionNotFound: no version has this number, or none is published.
        TemplateBroken: it cannot be filled.
    """
    template = template_by_id(template_id)
    if draft is None:
        version = chosen_version(template, number=number)
        draft = {"subject": version.subject, "body_text": version.body_text, "body_html": version.body_html}
    return preview(key=template.key, locale=template.locale, **draft, context=context)


def preview_version(template: Template, *, version: TemplateVersion) -> Rendered:
    return preview(
        key=template.key,
        locale=template.locale,
        subject=version.subject,
        body_text=version.body_text,
        body_html=version.body_html,
    )


def check_publishable(template: Template, *, version: TemplateVersion) -> None:
    """Raise TemplateBroken unless ``version`` renders with complete data and knows all its variables."""
    rendered = preview_version(template, version=version)
    if rendered.unknown:
        names = ", ".join(rendered.unknown)
        raise TemplateBroken(f"Variáveis desconhecidas: {names}.", unknown=list(rendered.unknown))


def version_by_number(template: Template, *, number: int) -> TemplateVersion:
    """Return one version of ``template``.

    Raises:
        VersionNotFound: no version has this number.
    """
    version = template.versions.filter(number=number).first()
    if version is None:
        raise VersionNotFound("Este modelo não tem essa versão.")
    return version


def chosen_version(template: Template, *, number: int | None) -> TemplateVersion:
    """Return the version ``number``, or the published one.

    Raises:
        VersionNotFound: no version has this number, or none is published.
    """
    if number is not None:
        return version_by_number(template, number=number)
    if template.published is None:
        raise VersionNotFound("Nenhuma versão deste modelo está publicada.")
    return template.published


def install_missing_templates(*, now: datetime) -> int:
    """Install and publish what comes with the program, where there is no template yet. Return how many.

    Idempotent, also under concurrency; edited templates are left alone.
    """
    with unit_of_work("notification"):
        there = set(Template.objects.values_list("key", "channel", "locale"))
        missing = [
            shipped for shipped in shipped_templates() if (shipped.key, shipped.channel, shipped.locale) not in there
        ]
        for shipped in missing:
            template, created = Template.objects.get_or_create(
                key=shipped.key, channel=shipped.channel, locale=shipped.locale, defaults={"updated_at": now}
            )
            if created:
                version = template.add_version(
                    subject=shipped.subject,
                    body_text=shipped.body_text,
                    body_html=shipped.body_html,
                    created_by=None,
                    now=now,
                )
                template.publish(version, now=now)
    return len(missing)


def _locked(template_id: UUID, precondition: Precondition | None) -> Template:
    template = template_by_id(template_id, lock=True)
    if precondition:
        precondition(template.revision)
    return template


def _check_recipient(channel: str, recipient: str) -> None:
    if channel == Channel.EMAIL:
        try:
            validate_email(recipient)
        except ValidationError as error:
            raise BadTestRecipient("Informe um endereço de e-mail.") from error
    elif channel == Channel.SMS and not PHONE.fullmatch(recipient):
        raise BadTestRecipient("Informe um telefone com código do país, como +5511987654321.")
