"""Where the processor time goes: by part of the installation, over the length of a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from tests.bench.shop import Measured

PARTS = {"granian": "web", "celery worker": "worker", "celery beat": "scheduler", "sandbox_psp": "psp"}
"""Words of a command line by the name of the part."""


@dataclass
class Costs:
    """Seconds of processor time by part, filled in when the block ends; ``load`` is the load generator's own."""

    seconds: dict[str, float] = field(default_factory=dict)

    def milliseconds_per(self, count: int) -> dict[str, float]:
        return {part: round(seconds * 1000 / count, 2) for part, seconds in self.seconds.items()}


@contextmanager
def measured(shop: Measured) -> Iterator[Costs]:
    """Count the processor time that each part of the installation uses within the block."""
    roots = _roots(shop)
    before = {part: _seconds(roots[part]) for part in roots}
    costs = Costs()
    yield costs
    costs.seconds = {part: _seconds(root) - before[part] for part, root in roots.items()}


def _roots(shop: Measured) -> Mapping[str, psutil.Process]:
    """Return the oldest process of each part. PostgreSQL's is the parent of the one that serves our connection."""
    with shop.administrator() as administrator:
        postgres = psutil.Process(psutil.Process(administrator.info.backend_pid).ppid())
    roots = {"postgres": postgres, "load": psutil.Process()}
    port = shop.url.rpartition(":")[2]
    for process in psutil.Process().children(recursive=True):
        if process.environ().get("PORT") == port:
            command = " ".join(process.cmdline())
            part = next((part for words, part in PARTS.items() if all(word in command for word in words.split())), "")
            roots.setdefault(part, process)
    roots.pop("", None)
    return roots


def _seconds(root: psutil.Process) -> float:
    """Return the processor time of a process and all below it, those that have ended and were waited for included."""
    own = root.cpu_times()
    if root.pid == psutil.Process().pid:
        return own.user + own.system
    total = own.user + own.system + own.children_user + own.children_system
    for child in root.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
