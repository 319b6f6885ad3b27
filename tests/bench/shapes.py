"""``python -m tests.bench.shapes``: what the same shop costs in one process and as six services, turn by turn on one
machine: list, detail, purchase; processor time and memory.

The six services are asked through their gateway. Exit code 0; 2 when the run broke off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench import journeys
from tests.bench.load import Action, Silent, drive
from tests.bench.shop import Measured, opened
from tests.e2e.replay.client import Refused
from tests.e2e.stack import Shape, StackFailed

SHAPES = (Shape.ONE, Shape.SERVICES)
PARTS = {"granian": "web", "celery worker": "workers", "celery beat": "schedulers", "sandbox_psp": "payment sandbox",
         "nginx": "gateway"}  # fmt: skip
"""Words of a command line by the name of the part."""
SENT = "SELECT count(*) FROM notification_service.messages WHERE status = 'sent'"
IDLE_SECONDS = 10.0
MAIL_SECONDS = 300.0
MEBIBYTE = 1024 * 1024


@dataclass
class Figures:
    """What was measured in one shape; a value for each round."""

    per_second: dict[str, list[float]] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    """The median of each kind of request or flow."""
    purchase_costs: list[dict[str, float]] = field(default_factory=list)
    """Milliseconds of processor time by part, from the first request to the last mail, less what idleness costs."""
    idle: list[float] = field(default_factory=list)
    """Percent of one core while nothing happens."""
    memory: dict[str, float] = field(default_factory=dict)
    """MiB by part, each shared page counted by its share (PSS)."""


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    progress = Console(stderr=True, highlight=False)
    found = {shape: Figures() for shape in SHAPES}
    try:
        for number in range(1, options.rounds + 1):
            for shape in SHAPES:
                progress.print(f"[dim]load {os.getloadavg()[0]:5.2f}[/dim]  round {number}: {shape.value}")
                with opened(shape=shape) as shop:
                    _measure(shop, found[shape], options.seconds)
    except KeyboardInterrupt:
        return 130
    except (StackFailed, Refused, Silent, TimeoutError) as error:
        progress.print(f"{type(error).__name__}: {error}", markup=False)
        return 2
    _show(found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.shapes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often each shape is started (default: 2)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each thing is measured (default: 6)")
    return parser.parse_args()


def _measure(shop: Measured, found: Figures, seconds: float) -> None:
    actions = {
        "list": journeys.reading(journeys.LIST),
        "detail": journeys.reading(f"{journeys.API}/products/{shop.products[0].slug}"),
        "purchase": journeys.buying(shop.products),
    }
    for action in actions.values():
        drive(shop.url, action, seconds=2)
    _await_mails(shop, 0)
    before = _processor(shop)
    time.sleep(IDLE_SECONDS)
    idle = {part: (spent - before[part]) / IDLE_SECONDS for part, spent in _processor(shop).items()}
    found.idle.append(100 * sum(idle.values()))
    for name in ("list", "detail"):
        _drive(found, name, shop, actions[name], seconds)
    sent, before, started = _sent(shop), _processor(shop), time.monotonic()
    count = _drive(found, "purchase", shop, actions["purchase"], 2 * seconds)
    _await_mails(shop, sent + count)
    took = time.monotonic() - started
    costs = {part: spent - before[part] - took * idle[part] for part, spent in _processor(shop).items()}
    found.purchase_costs.append({part: 1000 * each / count for part, each in costs.items()})
    found.memory = _memory(shop)


def _drive(found: Figures, name: str, shop: Measured, action: Action, seconds: float) -> int:
    result = drive(shop.url, action, seconds=seconds)
    if result.failures:
        raise StackFailed(f"{name}: {result.failures[0]}")
    found.per_second.setdefault(name, []).append(result.rate)
    found.milliseconds.setdefault(name, []).append(result.milliseconds(50))
    return len(result.latencies)


def _sent(shop: Measured) -> int:
    with shop.administrator("notification") as administrator:
        return int(administrator.execute(SENT).fetchall()[0][0])


def _await_mails(shop: Measured, count: int) -> None:
    """Wait until so many messages were sent, and none was during a second."""
    deadline = time.monotonic() + MAIL_SECONDS
    sent = -1
    while not count <= sent == _sent(shop):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sent} of {count} messages were sent within {MAIL_SECONDS} s")
        sent = _sent(shop)
        time.sleep(1)


def _processes(shop: Measured) -> Iterator[tuple[str, psutil.Process]]:
    """Yield every process of the installation and the part that it belongs to."""
    with shop.administrator() as administrator:
        postgres = psutil.Process(administrator.info.backend_pid).parent()
    assert postgres is not None
    for process in (postgres, *postgres.children(recursive=True)):
        yield "postgres", process
    for process in psutil.Process(shop.stack.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            part = next((part for words, part in PARTS.items() if all(word in command for word in words.split())), "")
            if part:
                yield part, process


def _processor(shop: Measured) -> Counter[str]:
    """Return the seconds of processor time that each part has used, ended children included."""
    spent: Counter[str] = Counter()
    for part, process in _processes(shop):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            ended = times.children_user + times.children_system if part == "postgres" else 0.0
            spent[part] += times.user + times.system + ended  # type: ignore[assignment]
    return spent


def _memory(shop: Measured) -> dict[str, float]:
    held: Counter[str] = Counter()
    for part, process in _processes(shop):
        with suppress(psutil.NoSuchProcess):
            held[part] += process.memory_full_info().pss // MEBIBYTE
    return dict(held)


def _show(found: Mapping[Shape, Figures]) -> None:
    table = Table(title="median of the rounds (lowest–highest)")
    for column in ("", "one process", "six services", "six / one"):
        table.add_column(column, justify="right" if column else "left")
    one, six = (found[shape] for shape in SHAPES)
    for name in one.per_second:
        table.add_row(f"{name}, per second", *_row(one.per_second[name], six.per_second[name]))
        table.add_row(f"{name}, p50 ms", *_row(one.milliseconds[name], six.milliseconds[name]))
    totals = [[sum(costs.values()) for costs in each.purchase_costs] for each in (one, six)]
    table.add_row("processor ms per purchase, mail sent", *_row(*totals))
    for part in [*PARTS.values(), "postgres"]:
        parts = [[costs.get(part, 0.0) for costs in each.purchase_costs] for each in (one, six)]
        table.add_row(f"  {part}", *_row(*parts))
    table.add_row("processor while idle, % of one core", *_row(one.idle, six.idle))
    for part in ["", *PARTS.values(), "postgres"]:
        held = [each.memory.get(part, 0.0) if part else sum(each.memory.values()) for each in (one, six)]
        table.add_row(f"  {part}" if part else "memory, MiB", *_row([held[0]], [held[1]]))
    Console(width=120, highlight=False).print(table)
    print(json.dumps({shape.value: vars(figures) for shape, figures in found.items()}))


def _row(one: Sequence[float], six: Sequence[float]) -> tuple[str, str, str]:
    middles = statistics.median(one), statistics.median(six)
    ratio = f"{middles[1] / middles[0]:.2f}" if middles[0] > 0 else ""
    return _span(one), _span(six), ratio


def _span(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):,.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.1f}–{max(values):,.1f})"


if __name__ == "__main__":
    sys.exit(main())
