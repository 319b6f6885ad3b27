"""System checks: mistakes in the layout of the databases that nothing else would notice before production."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db.models import Field, Model

from ecommerce.db.configuration import ENGINE, context_databases
from ecommerce.db.router import alias_of
from ecommerce.topology import current, local_aliases


@register
def check_aliases(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every local context has an alias with our engine and a role of its own, and ``default`` is empty."""
    problems: list[CheckMessage] = []
    if settings.DATABASES.get("default", {}).get("ENGINE", "django.db.backends.dummy") != "django.db.backends.dummy":
        hint = "Leave it {}: a query or transaction without an alias must fail, not end in some context."
        problems.append(Error("The database alias 'default' is in use.", hint=hint, id="ecommerce.db.E001"))
    for alias in local_aliases():
        if settings.DATABASES.get(alias, {}).get("ENGINE") != ENGINE:
            hint = "Build DATABASES with ecommerce.db.configuration.databases()."
            problems.append(Error(f"The alias '{alias}' does not use {ENGINE}.", hint=hint, id="ecommerce.db.E002"))
    seen: dict[tuple[str, str, str], str] = {}
    for alias, database in context_databases().items():
        role = (database["HOST"], database["PORT"], database["USER"])
        if other := seen.setdefault(role, alias):
            if other == alias:
                continue
            hint = "Each context needs a role of its own: it decides which schema a table name means."
            problems.append(
                Error(f"'{other}' and '{alias}' both connect as {role[2]}.", hint=hint, id="ecommerce.db.E003")
            )
    return problems


@register
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Models carry the label of their own context, and no relation leaves it."""
    chosen = app_configs if app_configs is not None else list(apps.get_app_configs())
    models = [model for config in chosen for model in config.get_models(include_auto_created=True)]
    return [*_foreign_labels(models), *_crossing_relations(models)]


def _foreign_labels(models: Sequence[type[Model]]) -> Iterator[CheckMessage]:
    for model in models:
        package, _, rest = model.__module__.partition(".")
        owner = rest.partition(".")[0]
        if package == "contexts" and owner in current().by_name and model._meta.app_label != owner:
            yield Error(
                f"{model.__module__}.{model.__name__} calls itself a model of '{model._meta.app_label}'.",
                hint="Remove Meta.app_label: the context decides.",
                obj=model,
                id="ecommerce.db.E004",
            )


def _crossing_relations(models: Sequence[type[Model]]) -> Iterator[CheckMessage]:
    for model in models:
        for field in model._meta.local_fields + model._meta.local_many_to_many:
            target = _label_of_target(field)
            if target is not None and not _may_relate(model._meta.app_label, target):
                yield Error(
                    f"{model._meta.label}.{field.name} points at '{target}', which lives in another schema.",
                    hint="Keep the id in a UUIDField and ask the other context through its interface.",
                    obj=field,
                    id="ecommerce.db.E005",
                )


def _label_of_target(field: Field[Any, Any]) -> str | None:
    """Return the app label at the other end of a relation. It is a string when that app is not installed here."""
    if not field.is_relation or field.related_model is None:
        return None
    target: type[Model] | str = field.related_model
    if isinstance(target, str):
        return target.partition(".")[0].lower() if "." in target else field.model._meta.app_label
    return target._meta.app_label


def _may_relate(one: str, other: str) -> bool:
    """Tables of the platform exist in every schema, so they may relate to each other within one app only."""
    if one == other:
        return True
    return alias_of(one) is not None and alias_of(one) == alias_of(other)
