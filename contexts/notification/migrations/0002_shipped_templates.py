"""Installs the templates that come with the program, so that the first message finds one.

Later additions need no migration: whatever is missing is installed when a message first asks for it.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone

from contexts.notification.domain import shipped_templates


def install(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    if alias != "notification":
        return
    now = timezone.now()
    templates = apps.get_model("notification", "Template").objects.using(alias)
    versions = apps.get_model("notification", "TemplateVersion").objects.using(alias)
    for shipped in shipped_templates():
        template = templates.create(
            key=shipped.key, channel=shipped.channel, locale=shipped.locale, revision=1, updated_at=now
        )
        template.published = versions.create(
            template=template,
            number=1,
            subject=shipped.subject,
            body_text=shipped.body_text,
            body_html=shipped.body_html,
            created_at=now,
        )
        template.save(using=alias)


class Migration(migrations.Migration):
    dependencies = [("notification", "0001_initial")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
