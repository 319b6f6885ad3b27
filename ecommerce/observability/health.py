"""Is this process fit to serve? Each part is asked for real: a query, a round trip, a connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import structlog
from django.core.cache import cache
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from ecommerce.ids import new_id
from ecommerce.topology import local_aliases

Probe = Callable[[], None]
"""Returns when its part is well and raises when it is not."""

logger = structlog.get_logger(__name__)
_registered: dict[str, tuple[Probe, bool]] = {}


class Unhealthy(Exception):
    """A part answered, and what it said is wrong. The message is published; keep it free of secrets."""


@dataclass(frozen=True)
class Check:
    healthy: bool
    detail: str
    milliseconds: float
    essential: bool = True
    """Whether this process is of no use without the part. One that sells without it must stay in service."""


def register(name: str, probe: Probe, *, essential: bool) -> None:
    """Let every health check ask ``probe`` too; a later registration of ``name`` replaces it. For AppConfig.ready."""
    _registered[name] = (probe, essential)


def unregister(name: str) -> None:
    _registered.pop(name, None)


def run() -> dict[str, Check]:
    """Ask every part, one after the other: the local contexts' databases, the cache, and what was registered."""
    probes = {f"database.{alias}": (_database(alias), True) for alias in local_aliases()}
    probes["cache"] = (_cache, False)
    probes.update(_registered)
    return {name: _checked(name, probe, essential) for name, (probe, essential) in probes.items()}


def run_readiness() -> dict[str, Check]:
    """Like :func:`run`, and every migration is applied."""
    return {**run(), "migrations": _checked("migrations", _migrations, essential=True)}


def _checked(name: str, probe: Probe, essential: bool) -> Check:
    started = perf_counter()
    try:
        probe()
    except Unhealthy as error:
        logger.warning("health_check_failed", check=name, reason=str(error))
        return Check(False, str(error), _since(started), essential)
    except Exception as error:
        logger.warning("health_check_failed", check=name, exc_info=True)
        return Check(False, type(error).__name__, _since(started), essential)
    return Check(True, "", _since(started), essential)


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)


def _database(alias: str) -> Probe:
    def probe() -> None:
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Exception:
            connection.close()
            raise

    return probe


def _cache() -> None:
    key, value = f"health:{new_id()}", "alive"
    cache.set(key, value, timeout=5)
    if cache.get(key) != value:
        raise Unhealthy("a value written was not read back")


_migrated: set[str] = set()


def _migrations() -> None:
    for alias in local_aliases():
        if alias in _migrated:
            continue
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        missing = [migration for migration, _ in plan if router.allow_migrate(alias, migration.app_label)]
        if missing:
            raise Unhealthy(f"{len(missing)} migrations to apply in {alias}")
        _migrated.add(alias)
