"""Which alias a model's rows live in. Nothing but the app label decides."""

from typing import Any

from django.conf import settings
from django.db.models import Model

from ecommerce.topology import current


def alias_of(app_label: str) -> str | None:
    """Return the alias of an app's tables; None for an app of the platform, whose tables every context has.

    Django's own and third-party apps belong to ``settings.DEFAULT_APP_CONTEXT``.
    """
    if app_label in settings.SHARED_APP_LABELS:
        return None
    return app_label if app_label in current().by_name else str(settings.DEFAULT_APP_CONTEXT)


class ContextRouter:
    """Send every query to the alias of its app, and refuse relations and tables anywhere else.

    A query on a table of the platform must name its alias with ``using()``; without one it ends at the empty
    ``default`` alias and fails.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return alias_of(model._meta.app_label)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return alias_of(model._meta.app_label)

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return self._place(one) == self._place(other)

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        if db not in current().by_name:
            return False
        return (alias_of(app_label) or db) == db

    @staticmethod
    def _place(instance: Model) -> str | None:
        return alias_of(instance._meta.app_label) or instance._state.db
