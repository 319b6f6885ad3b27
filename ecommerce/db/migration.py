"""Which migrations an alias needs, and running them without building the models of everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

Plan = list[tuple[Any, bool]]


def is_narrow(alias: str) -> bool:
    """Whether an alias needs the migrations of its own apps only.

    The one with Django's own tables needs all: content types and permissions follow the models of every context.
    """
    return alias != settings.DEFAULT_APP_CONTEXT


def missing_migrations(alias: str) -> Plan:
    """Return what is still to be migrated on an alias, in order."""
    executor = MigrationExecutor(connections[alias])
    return executor.migration_plan(_targets(executor, alias))


def migrate(alias: str, *, progress: Callable[..., None] | None = None) -> None:
    """Apply what is missing of the apps whose tables live on ``alias``.

    Raises:
        InconsistentMigrationHistory: a migration is recorded without one that it depends on.
    """
    executor = MigrationExecutor(connections[alias], progress)
    executor.loader.check_consistent_history(connections[alias])
    targets = _targets(executor, alias)
    if plan := executor.migration_plan(targets):
        executor.migrate(targets, plan=plan)


def _targets(executor: MigrationExecutor, alias: str) -> list[tuple[str, str]]:
    leaves: list[tuple[str, str]] = executor.loader.graph.leaf_nodes()
    if not is_narrow(alias):
        return leaves
    return [(label, name) for label, name in leaves if router.allow_migrate(alias, label)]
