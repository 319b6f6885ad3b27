"""The books of every context with nothing in them that differs by chance: for comparing installations.

Ids that can be told by something that stays (a SKU, an e-mail address, a code) become that; other ids, times, and what
is drawn at random become a word for what they are. Rows are counted, so their order does not matter.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, LiteralString

from tests.e2e.replay.books import CONTEXTS, Books

Ledgers = dict[str, Counter[str]]
"""By ``context.table``, how often each row is there."""

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""
OF_THE_MACHINERY = re.compile(
    r"django_.*|auth_.*|account_.*|mfa_.*|socialaccount_.*|.*_groups|.*_user_permissions|sessions|event_flow|"
    r"outbox_partition|outbox_relay|inbox_start|delivery_lanes|idempotency_keys"
)
"""Tables that say how and when the work was done, and not what came of it."""
CHANCE = {
    "attempt", "attempts", "barcode", "br_code", "context", "due_at", "duration_ms", "headers", "lease_owner",
    "lease_until", "linha_digitavel", "next_attempt_at", "number", "password", "position", "provider_id", "ran_by",
    "recipient_hash", "search_vector", "token", "token_hash",
    "traceparent", "txid",
}  # fmt: skip
"""Columns whose values are drawn, counted up or measured; ``context`` is what a message's author knew just then."""
NAMED: Mapping[str, LiteralString] = {
    "identity": "SELECT id, email FROM {schema}.users",
    "catalog": "SELECT id, slug FROM {schema}.products UNION ALL SELECT id, sku FROM {schema}.variants "
    "UNION ALL SELECT id, slug FROM {schema}.categories",
    "promotion": "SELECT id, name FROM {schema}.campaigns UNION ALL SELECT id, code FROM {schema}.coupons",
    "order": "SELECT id, email FROM {schema}.orders UNION ALL SELECT cart_id, 'cart of ' || email FROM {schema}.orders "
    "UNION ALL SELECT a.id, a.method || ' of ' || o.email FROM {schema}.payment_attempts a "
    "JOIN {schema}.orders o ON o.id = a.order_id",
}
NUMBERS: LiteralString = "SELECT number FROM {schema}.orders"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(
    r"\d\d/\d\d/\d{4}|\b\d\d:\d\d\b|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?"
)
DRAWN = re.compile(r"\b(ch|re|evt|txn|msg)_\w+|000201\d{2}.{20,400}?6304[0-9A-F]{4}|\b\d{44,48}\b")
"""Ids of the payment sandbox, Pix codes, boletos."""
URL = re.compile(r"https?://[^\s\"'<>]+")
"""It holds the port of the installation, and often a token."""


def ledgers(books: Books) -> Ledgers:
    """Read every table of every context."""
    names = {str(id_): f"<{name}>" for context, query in NAMED.items() for id_, name in books.rows(context, query)}
    drawn = [number for (number,) in books.rows("order", NUMBERS)]
    read = _Reader(names, re.compile("|".join(map(re.escape, drawn)) or "(?!)"))
    found: Ledgers = {}
    for context in CONTEXTS:
        for (table,) in books.rows(context, TABLES, [f"{context}_service"]):
            if not OF_THE_MACHINERY.fullmatch(table):
                rows = books.table(context, table)
                found[f"{context}.{table}"] = Counter(read.row(row) for row in rows)
    return found


def differences(one: Ledgers, other: Ledgers) -> list[str]:
    """Return a line for each row that one of them has more often than the other."""
    found = []
    for table in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(table, Counter()), other.get(table, Counter())
        found += [f"- {table} {row} ×{count}" for row, count in (mine - theirs).items()]
        found += [f"+ {table} {row} ×{count}" for row, count in (theirs - mine).items()]
    return found


class _Reader:
    def __init__(self, names: Mapping[str, str], drawn: re.Pattern[str]) -> None:
        self._names = names
        self._drawn = drawn

    def row(self, row: Mapping[str, Any]) -> str:
        return json.dumps(self._plain(row), ensure_ascii=False, sort_keys=True)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: "…" if self._is_chance(name, each) else self._plain(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._plain(each) for each in value]
        if isinstance(value, str):
            return self._plain(json.loads(value)) if value.startswith('{"') else self._text(value)
        return value

    def _is_chance(self, name: str, value: Any) -> bool:
        """An ``id`` that is a number was counted up; one that is not may have a name."""
        return value is not None and (name in CHANCE or (name == "id" and isinstance(value, int)))

    def _text(self, text: str) -> str:
        text = UUID.sub(lambda found: self._names.get(found[0], "<id>"), URL.sub("<url>", text))
        return DRAWN.sub("<drawn>", self._drawn.sub("<number>", TIME.sub("<time>", text)))
