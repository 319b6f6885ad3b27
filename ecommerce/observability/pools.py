"""What the database pools of this process say of themselves, as metrics.

A process knows only its own pools, and whoever is scraped is another one. So each tells now and then, on an occasion
that comes by anyway: the end of a request, the slot of a worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from django.db import connections

from ecommerce.observability import metrics
from ecommerce.topology import local_aliases

EVERY_SECONDS = 5.0

_told_at = 0.0
_told: dict[str, Mapping[str, int]] = {}
_lock = threading.Lock()


def tell() -> None:
    """Tell if it is time again. Costs a look at the clock otherwise."""
    global _told_at
    if (now := time.monotonic()) >= _told_at + EVERY_SECONDS:
        _told_at = now
        tell_now()


def tell_now() -> None:
    """Take over the figures of every pool that this process has opened."""
    with _lock:
        for alias in local_aliases():
            pools: Mapping[str, Any] = getattr(connections[alias], "_connection_pools", {})
            if pool := pools.get(alias):
                _take_over(alias, pool.get_stats())


def _take_over(alias: str, figures: Mapping[str, int]) -> None:
    """A figure that is zero may be missing. A pool that was closed and opened anew counts from zero."""
    size, idle = figures.get("pool_size", 0), figures.get("pool_available", 0)
    metrics.POOL_CONNECTIONS.labels(alias, "in_use").set(size - idle)
    metrics.POOL_CONNECTIONS.labels(alias, "idle").set(idle)
    metrics.POOL_LIMIT.labels(alias).set(figures.get("pool_max", 0))
    metrics.POOL_WAITING.labels(alias).set(figures.get("requests_waiting", 0))
    for counter, name in ((metrics.POOL_WAITED, "requests_queued"), (metrics.POOL_TIMEOUTS, "requests_errors")):
        now, before = figures.get(name, 0), _told.get(alias, {}).get(name, 0)
        counter.labels(alias).inc(now - before if now >= before else now)
    _told[alias] = figures
