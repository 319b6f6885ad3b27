"""A cursor that waits for its result when somebody asks about it, also inside a pipeline."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql.base import ServerBindingCursor


class Cursor(ServerBindingCursor, psycopg.Cursor[Any]):
    """Django's cursor. In a pipeline the driver itself waits for rows only: a number of changed rows that was not
    waited for would be read as -1."""

    @property
    def rowcount(self) -> int:
        self._fetch_pipeline()
        return super().rowcount

    @property
    def description(self) -> Any:
        self._fetch_pipeline()
        return super().description
