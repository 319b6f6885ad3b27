"""What the faults showed: a table for the terminal, and ``docs/faults.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.e2e.stack import ROOT
from tests.faults.faults import FAULTS, Fault

DOCUMENT = ROOT / "docs" / "faults.md"
INTRODUCTION = """\
# Faults

*A committed event takes effect in every subscribed context exactly once; for one aggregate, first effects happen in
version order; nothing from a rolled-back transaction is ever published; on the wire duplicates are possible at any
time.*

`make faults` tries to break this promise. It starts a database server, a RabbitMQ node and real workers of its own,
publishes from one context to another at random, kills, stops and cuts off what takes part, and then asks the databases:
every committed event has exactly one effect (the table of effects has no constraint that would help), nothing that was
rolled back has any, effects of one subject are in version order, every event is in the archive once, outbox and queue
are empty, nothing is parked but what must be, and no lease is longer than its bound.

Choose with `make faults SEED=7 RUNS=3 ONLY="2 13" BROKER=pgmq`. A seed fixes what is random in the test, not the
timing of the machine. RabbitMQ has to be installed; a server of it that runs is neither needed nor touched. A few
faults run among all tests, with every change (`tests/faults/test_faults.py`), and so does a proof that the checks see a
breach.

The table is written by a whole run.
"""


@dataclass
class Outcome:
    """How one fault went with one broker; ``failures`` by seed."""

    fault: Fault
    broker: str
    runs: int = 0
    seconds: float = 0.0
    remark: str = ""
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def result(self) -> str:
        if reason := self.fault.not_for.get(self.broker):
            return f"does not apply: {reason}"
        return f"FAILED with {', '.join(map(str, self.failures))}" if self.failures else "held"

    @property
    def cells(self) -> tuple[str, ...]:
        spent = f"{self.seconds / self.runs:.0f}" if self.runs else ""
        return self.fault.number, self.fault.title, self.broker, str(self.runs), spent, self.result


HEAD = ("fault", "what happens", "broker", "runs", "s each", "result")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEAD, *(outcome.cells for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def summary(outcomes: Sequence[Outcome], skipped: Mapping[str, str]) -> str:
    """Return the last line."""
    runs, failed = sum(each.runs for each in outcomes), sum(len(each.failures) for each in outcomes)
    left = "".join(f"; {broker} left out: {reason}" for broker, reason in skipped.items())
    pairs = sum(bool(each.runs) for each in outcomes)
    return f"{pairs} pairs of fault and broker, {runs} runs, {failed} failed{left}"


def write(outcomes: Sequence[Outcome], skipped: Mapping[str, str], *, first: int, runs: int) -> None:
    """Write the document anew."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [INTRODUCTION, f"{when}, seeds {first} to {first + runs - 1}. {summary(outcomes, skipped)}.", ""]
    lines += [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    by_fault = sorted(outcomes, key=lambda outcome: FAULTS.index(outcome.fault))
    lines += [f"| {' | '.join(outcome.cells)} |" for outcome in by_fault]
    if broken := [outcome for outcome in outcomes if outcome.failures]:
        lines += ["", "## What did not hold", ""]
        for outcome in broken:
            reason = " ".join(next(iter(outcome.failures.values())).split())[:300]
            lines.append(f"- {outcome.fault.number}, {outcome.broker}: {reason}")
    DOCUMENT.write_text("\n".join(lines) + "\n")
