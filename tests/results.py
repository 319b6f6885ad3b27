"""Tables of what was run: for the terminal, and in a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, ...]


def aligned(head: Row, rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def in_markdown(introduction: str, head: Row, rows: Sequence[Row]) -> str:
    """Return a document: the introduction, and the table. No cell may hold a bar."""
    lines = [introduction, f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def rows_of(document: Path, head: Row) -> list[Row]:
    """Return the rows of the table that a document holds, its head included; none if there is no document."""
    text = document.read_text() if document.exists() else ""
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines() if line[:2] == "| "]
    return [row for row in rows if len(row) == len(head)]
