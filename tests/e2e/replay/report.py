"""The end of a run on paper: a table for people, and one line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e.replay.audit import Audit
from tests.e2e.replay.books import Books

REFUSALS_SHOWN = 20
LOG_LINES = 60
WIDTH = 120
"""Of the tables, where there is no terminal to ask."""


def show(audit: Audit, seconds: Mapping[str, float]) -> None:
    """Print the checks, the refusals, the times and, last, the JSON."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    table = Table("check", "expected", "found", "difference", title="Audit")
    for column in table.columns[1:]:
        column.justify = "right"
    for check in audit.checks:
        style = "bold red" if check.difference else ""
        table.add_row(check.name, str(check.expected), str(check.found), str(check.difference), style=style)
    console.print(table)
    _show_refusals(audit.facts["refused"], console)
    taken = ", ".join(f"{name} {duration} s" for name, duration in seconds.items())
    console.print(f"{taken}; in all {sum(seconds.values()):.1f} s", highlight=False, soft_wrap=True)
    print(json.dumps(document(audit, seconds)), flush=True)


def show_troubles(log: Path, books: Books, console: Console) -> None:
    """Print what helps to find out why a run went wrong: the end of the installation's log, and what is stuck."""
    lines = [*log.read_text(errors="replace").splitlines()[-LOG_LINES:], *books.troubles()]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def document(audit: Audit, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return the outcome for JSON: ``checks`` holds expected, found and difference by name, money as text."""
    checks = {
        check.name: {"expected": _plain(check.expected), "found": _plain(check.found),
                     "difference": _plain(check.difference)}
        for check in audit.checks
    }  # fmt: skip
    times = {**seconds, "all": round(sum(seconds.values()), 1)}
    return {"passed": audit.passed, "checks": checks, **audit.facts, "seconds": times}


def _show_refusals(refused: list[dict[str, str]], console: Console) -> None:
    if not refused:
        return
    table = Table("what", "id", "code", "detail", title=f"Refused: {len(refused)}")
    for refusal in refused[:REFUSALS_SHOWN]:
        table.add_row(*refusal.values())
    console.print(table)


def _plain(number: Any) -> int | str:
    return number if isinstance(number, int) else str(number)
