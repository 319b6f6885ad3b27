"""Templates: an unbroken row of versions, one of which is published."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import Max

from contexts.notification.domain import KINDS, LOCALES, Channel
from ecommerce.errors import Conflict, NotFound
from ecommerce.ids import new_id


class VersionNotFound(NotFound):
    code = "template_version_not_found"


class NoOlderVersion(Conflict):
    """The published version is the first one: there is nothing to roll back to."""

    code = "no_older_template_version"


class Template(models.Model):
    """What is said on one occasion, on one channel, in one language.

    ``revision`` grows when another version is published; REST uses it as the entity tag.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField("ocasião", max_length=40, choices=[(kind.key, kind.label) for kind in KINDS.values()])
    channel = models.CharField("canal", max_length=8, choices=[(channel.value, channel.value) for channel in Channel])
    locale = models.CharField("idioma", max_length=8, choices=[(locale, locale) for locale in LOCALES])
    published = models.ForeignKey(
        "TemplateVersion", verbose_name="versão publicada", on_delete=models.PROTECT, null=True, related_name="+"
    )
    revision = models.PositiveIntegerField("revisão", default=0)
    updated_at = models.DateTimeField("alterado em")

    class Meta:
        db_table = "templates"
        verbose_name = "modelo"
        verbose_name_plural = "modelos"
        ordering = ["key", "channel", "locale"]
        constraints = [
            models.UniqueConstraint(fields=["key", "channel", "locale"], name="templates_one_per_occasion"),
        ]

    def __str__(self) -> str:
        return f"{self.get_key_display()} · {self.channel} · {self.locale}"

    def add_version(
        self, *, subject: str, body_text: str, body_html: str, created_by: UUID | None, now: datetime
    ) -> TemplateVersion:
        """Append a draft. The caller holds this row's lock, so numbers have no gap and no twin."""
        newest = self.versions.aggregate(newest=Max("number"))["newest"] or 0
        return TemplateVersion.objects.create(
            template=self,
            number=newest + 1,
            subject=subject,
            body_text=body_text,
            body_html=body_html,
            created_by=created_by,
            created_at=now,
        )

    def publish(self, version: TemplateVersion, *, now: datetime) -> None:
        """Make ``version`` the one that is sent from now on. The caller has checked that it renders.

        Raises:
            VersionNotFound: it belongs to another template.
        """
        if version.template_id != self.id:
            raise VersionNotFound("Esta versão é de outro modelo.")
        if self.published_id == version.id:
            return
        self.published = version
        self.revision += 1
        self.updated_at = now
        self.save(update_fields=["published", "revision", "updated_at"])

    def version_before_published(self) -> TemplateVersion:
        """Return the newest version older than the published one.

        Raises:
            NoOlderVersion: nothing is published, or it is the first version.
        """
        older = self.versions.filter(number__lt=self.published.number if self.published else 0)
        version = older.order_by("-number").first()
        if version is None:
            raise NoOlderVersion("Não há versão anterior.")
        return version


class TemplateVersion(models.Model):
    """What a template says. Never changed: an edit is a new version."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.ForeignKey(Template, verbose_name="modelo", on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField("número")
    subject = models.CharField("assunto", max_length=300, blank=True)
    body_text = models.TextField("texto")
    body_html = models.TextField("HTML", blank=True)
    created_by = models.UUIDField("criado por", null=True, blank=True)
    """The account of the person; null for what came with the program."""
    created_at = models.DateTimeField("criado em")

    class Meta:
        db_table = "template_versions"
        verbose_name = "versão de modelo"
        verbose_name_plural = "versões de modelos"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_versions_number"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"
