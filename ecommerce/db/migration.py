"""Which migrations an alias needs, and running them without building the models of everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import RenameModel

Plan = list[tuple[Any, bool]]


def is_narrow(alias: str) -> bool:
    """Whether an alias needs the migrations of its own apps only.

    The one with Django's own tables has all on record: content types and permissions follow the models of every
    context.
    """
    return alias != settings.DEFAULT_APP_CONTEXT


def missing_migrations(alias: str) -> Plan:
    """Return what is still to be migrated on an alias, in order."""
    executor = MigrationExecutor(connections[alias])
    return executor.migration_plan(_targets(executor, alias))


def renames_models(plan: Plan) -> bool:
    """Whether a model is renamed. Django's own command then carries its content type and permissions along."""
    return any(isinstance(operation, RenameModel) for migration, _ in plan for operation in migration.operations)


def migrate(alias: str, *, progress: Callable[..., None] | None = None) -> None:
    """Apply what is missing of the apps whose tables live on ``alias``. What else is missing there is recorded: it
    would do nothing, after all models had been built anew for each of its operations.

    Raises:
        InconsistentMigrationHistory: a migration is recorded without one that it depends on.
    """
    executor = MigrationExecutor(connections[alias], progress)
    executor.loader.check_consistent_history(connections[alias])
    targets = _targets(executor, alias)
    plan = executor.migration_plan(targets)
    if own := [step for step in plan if router.allow_migrate(alias, step[0].app_label)]:
        executor.migrate(targets, plan=own)
    for migration, _ in plan:
        if not router.allow_migrate(alias, migration.app_label):
            executor.recorder.record_applied(migration.app_label, migration.name)


def _targets(executor: MigrationExecutor, alias: str) -> list[tuple[str, str]]:
    leaves: list[tuple[str, str]] = executor.loader.graph.leaf_nodes()
    if not is_narrow(alias):
        return leaves
    return [(label, name) for label, name in leaves if router.allow_migrate(alias, label)]
