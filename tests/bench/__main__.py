"""``python -m tests.bench``: measure a fresh installation beside its floors, print one table and one line of JSON.

Exit code 0; 1 when something was wrong (never because it was slow); 2 when the run broke off.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from rich.console import Console

from tests.bench import events, floors, hot, inside, report, rounds
from tests.bench.load import Silent
from tests.bench.shop import opened
from tests.e2e.replay.client import Refused
from tests.e2e.stack import StackFailed

BROKEN_OFF = (StackFailed, Refused, Silent, events.Stuck, TimeoutError, subprocess.CalledProcessError)


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    console, progress = Console(width=200, highlight=False), Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        findings = _measure(options, progress)
    except KeyboardInterrupt:
        progress.print("stopped")
        return 130
    except BROKEN_OFF as error:
        progress.print(f"{type(error).__name__}: {error}", markup=False)
        return 2
    if options.statements:
        report.show_statements(findings, console)
    report.show(findings, console)
    return 1 if findings.wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the shop beside its floors.")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each thing is measured (default: 4)")
    parser.add_argument("--events", type=int, default=5000, help="how many events are published (default: 5000)")
    parser.add_argument("--no-rabbitmq", action="store_true", help="measure events with the embedded broker only")
    parser.add_argument("--statements", action="store_true", help="also print every SQL statement of a purchase")
    return parser.parse_args()


def _measure(options: argparse.Namespace, progress: Console) -> report.Findings:
    loads: list[float] = []

    def note(what: str) -> None:
        loads.append(os.getloadavg()[0])
        progress.print(f"[dim]load {loads[-1]:5.2f}[/dim]  {what}")

    note("starting an installation")
    with opened() as shop:
        with floors.bare_server(shop) as bare_url:
            note("warming up")
            measured = rounds.measure(shop, bare_url, rounds=options.rounds, seconds=options.seconds, note=note)
        note("counting statements")
        counted = inside.counted(shop)
        note("a hot product")
        verdict = hot.rush(shop)
        note("events through the embedded broker")
        events.drained(shop, events=50)
        found = {"embedded": [events.drained(shop, events=options.events) for _ in range(options.rounds)]}
    by_broker: dict[str, list[events.Throughput] | str] = {**found}
    if not options.no_rabbitmq:
        note("events through RabbitMQ")
        by_broker["RabbitMQ"] = events.through_rabbitmq(events=options.events, times=options.rounds)
    note("done")
    return report.Findings(measured, counted["statements"], counted["purchase_ms"], verdict, by_broker, loads)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
