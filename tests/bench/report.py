"""The table, the bars and the last line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.bench.events import Throughput
from tests.bench.hot import Verdict
from tests.bench.rounds import Measurements, Series, middle

BARS = {"list": 710, "detail": 900, "purchase": 47}
"""Requests (purchases) per second on a quiet machine with two cores."""
MOST_STATEMENTS = 45
FLOORS = {"list": ("list SQL", "bare page"), "detail": ("detail SQL", "bare page"),
          "purchase": ("bare purchase", "checkout SQL")}  # fmt: skip
PEERS = {
    "list": ("142", "124", "26", "20"),
    "detail": ("180", "134", "55", "31"),
    "purchase": ("15.6", "7.1", "1.65", "1.7"),
    "statements": ("4 / 9 / 157", "4 / 17 / 352", "20 / 24 / 640", "20 / 21 / 517"),
}
"""Oscar, Vendure, Medusa, Saleor: measured earlier on this class of machine, not in this run."""


@dataclass
class Findings:
    """All that one run found out. ``events`` holds the runs by broker, or why there is none."""

    measurements: Measurements
    statements: dict[str, list[str]]
    purchase_ms: float
    hot: Verdict
    events: dict[str, list[Throughput] | str]
    loads: list[float] = field(default_factory=list)
    """The machine's load average (1 minute) from time to time."""

    @property
    def statements_per_purchase(self) -> int:
        return sum(len(made) for step, made in self.statements.items() if step not in ("list", "detail"))

    @property
    def wrong(self) -> list[str]:
        """Return what must not be; slowness is not among it."""
        wrong = list(self.hot.wrong)
        if self.statements_per_purchase > MOST_STATEMENTS:
            wrong.append(f"{self.statements_per_purchase} statements per purchase, {MOST_STATEMENTS} at most")
        for series in self.measurements.series.values():
            if series.failures:
                wrong.append(f"{series.name}: {len(series.failures)} failed, such as {series.failures[0]}")
        return wrong


def show(findings: Findings, console: Console) -> None:
    """Print the table, and after it one line of JSON."""
    table = Table(box=SIMPLE, title=f"8 connections, 2 web workers; load average {_span(findings.loads, 1)}")
    table.add_column("")
    for column in ("per second", "p50 ms", "p95 ms", "share of its floors", "bar"):
        table.add_column(column, justify="right")
    for peer in ("Oscar*", "Vendure*", "Medusa*", "Saleor*"):
        table.add_column(peer, justify="right")
    for name in ("list", "detail", "purchase"):
        table.add_row(*_row(findings.measurements, name), *PEERS[name])
    for name in ("bare page", "list SQL", "detail SQL", "bare purchase", "checkout SQL"):
        table.add_row(f"floor: {name}", *_numbers(findings.measurements[name]))
    table.add_section()
    for row in _counted(findings):
        table.add_row(*row)
    console.print(table)
    console.print("* measured on this class of machine earlier, not in this run", style="dim")
    for wrong in findings.wrong:
        console.print(f"WRONG: {wrong}", style="bold red", markup=False)
    print(json.dumps(summary(findings)), flush=True)


def show_statements(findings: Findings, console: Console) -> None:
    """Print every SQL statement of every request."""
    for step, made in findings.statements.items():
        console.print(f"{step}: {len(made)}", style="bold")
        for statement in made:
            console.print(f"  {statement[:160]}", markup=False, highlight=False, soft_wrap=True)


def _row(measurements: Measurements, name: str) -> list[str]:
    series = measurements[name]
    shares = [f"{_span(series.ratios_to(measurements[floor]), 3)} of {floor}" for floor in FLOORS[name]]
    met = "met" if middle(series.rates) >= BARS[name] else "missed"
    return [name, *_numbers(series), "\n".join(shares), f"{BARS[name]} {met}"]


def _numbers(series: Series) -> list[str]:
    return [_span(series.rates, 1), _span(series.milliseconds(50), 1), _span(series.milliseconds(95), 1)]


def _counted(findings: Findings) -> list[list[str]]:
    counts = {step: len(made) for step, made in findings.statements.items()}
    steps = f"{counts['list']} / {counts['detail']} / {findings.statements_per_purchase}"
    met = "met" if findings.statements_per_purchase <= MOST_STATEMENTS else "missed"
    rows = [["SQL: list / detail / purchase", steps, "", "", "", f"{MOST_STATEMENTS} {met}", *PEERS["statements"]]]
    purchase = ", ".join(f"{step} {count}" for step, count in counts.items() if step not in ("list", "detail"))
    rows.append(["  of the purchase", purchase])
    rows.append(["CPU ms per purchase", ", ".join(f"{part} {ms}" for part, ms in _costs(findings).items())])
    rows.append(["  in one web process, alone", f"{findings.purchase_ms}"])
    rows.append(["purchases/s, mails sent", _span(findings.measurements.settling, 1)])
    for broker, runs in findings.events.items():
        rates = runs if isinstance(runs, str) else _span([run.rate for run in runs], 0)
        rows.append([f"events/s to effect, {broker}", rates])
    hot = findings.hot
    verdict = "; ".join(hot.wrong) or "right"
    rows.append(["hot product", f"{hot.sold} sold, {hot.refused} refused, {hot.rate:.1f}/s", "", "", "", verdict])
    return rows


def _costs(findings: Findings) -> dict[str, float]:
    by_round = findings.measurements.purchase_costs
    return {part: round(middle([costs[part] for costs in by_round]), 1) for part in by_round[0]}


def _span(values: Sequence[float], digits: int) -> str:
    """Return the median with the smallest and the largest."""
    low, high = min(values), max(values)
    return f"{middle(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def summary(findings: Findings) -> dict[str, Any]:
    """Return the findings as one JSON object."""
    measured = findings.measurements
    return {
        "load_average": [round(load, 2) for load in findings.loads],
        "per_second": {name: [round(rate, 1) for rate in each.rates] for name, each in measured.series.items()},
        "p95_ms": {name: [round(ms, 2) for ms in each.milliseconds(95)] for name, each in measured.series.items()},
        "share_of_floor": {
            f"{name} of {floor}": [round(ratio, 4) for ratio in measured[name].ratios_to(measured[floor])]
            for name, floors in FLOORS.items()
            for floor in floors
        },
        "statements": {
            **{step: len(made) for step, made in findings.statements.items()},
            "purchase": findings.statements_per_purchase,
        },
        "cpu_ms_per_purchase": {**_costs(findings), "alone": findings.purchase_ms},
        "events_per_second": {
            broker: runs if isinstance(runs, str) else [round(run.rate) for run in runs]
            for broker, runs in findings.events.items()
        },
        "hot": {"sold": findings.hot.sold, "refused": findings.hot.refused},
        "bars": {name: middle(measured[name].rates) >= bar for name, bar in BARS.items()},
        "wrong": findings.wrong,
    }
