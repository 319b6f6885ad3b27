"""SQL on catalog's own database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections

ALIAS = "catalog"

Parameters = Mapping[str, Any] | Sequence[Any]


def id_or_slug(named: str) -> UUID | str:
    """Return what an address names: an id if it reads like one, else a slug."""
    try:
        return UUID(named)
    except ValueError:
        return named.replace("\0", "")


def fetch(statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """Run ``statement`` and return all its rows; ``jsonb`` columns come as text."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def fetch_one(statement: str, parameters: Parameters = ()) -> tuple[Any, ...] | None:
    """Run ``statement`` and return its first row, or None."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def execute(statement: str, parameters: Parameters = ()) -> int:
    """Run ``statement`` and return how many rows it changed."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, parameters)
        changed: int = cursor.rowcount
        return changed
