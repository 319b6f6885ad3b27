"""The books: charges, refunds, card tokens and webhooks in one SQLite file, which survives a restart.

One connection under one lock: every transaction runs alone, so a read inside :meth:`Books.transaction` cannot go stale.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.sandbox_psp.messages import Charge, Refund, Status, decimal, timestamp

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    reference TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    answer_status INTEGER NOT NULL,
    answer BLOB NOT NULL,
    status TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    method TEXT NOT NULL,
    automatic_capture INTEGER NOT NULL,
    decline_code TEXT NOT NULL,
    client_data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    webhook_url TEXT NOT NULL,
    return_url TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK (0 <= refunded AND refunded <= captured AND captured <= amount)
);
CREATE INDEX IF NOT EXISTS charges_reference ON charges (reference);
CREATE INDEX IF NOT EXISTS charges_open ON charges (seq) WHERE status IN ('pending', 'requires_action');
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    charge_seq INTEGER NOT NULL REFERENCES charges,
    idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    answer_status INTEGER NOT NULL,
    answer BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refunds_charge ON refunds (charge_seq, seq);
CREATE TABLE IF NOT EXISTS card_tokens (
    token TEXT PRIMARY KEY,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    acts_as TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    charge_seq INTEGER NOT NULL REFERENCES charges,
    type TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    bad_signature INTEGER NOT NULL,
    signed_seconds_ago INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at REAL NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS webhooks_charge ON webhooks (charge_seq, seq);
CREATE TABLE IF NOT EXISTS deliveries (
    webhook_seq INTEGER NOT NULL REFERENCES webhooks,
    attempt INTEGER NOT NULL,
    at TEXT NOT NULL,
    http_status INTEGER NOT NULL,
    error TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (webhook_seq, attempt)
) WITHOUT ROWID;
"""


Row = sqlite3.Row


class Books:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block alone and commit it; roll back when it raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: Any) -> Row | None:
        with self._lock:
            row: Row | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def run(self, sql: str, *parameters: Any) -> int:
        """Execute a change and return the row number of the last insert."""
        with self._lock:
            return self._connection.execute(sql, parameters).lastrowid or 0

    def insert(self, table: str, values: dict[str, Any]) -> int:
        names = ", ".join(values)
        places = ", ".join("?" * len(values))
        return self.run(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # --- charges ------------------------------------------------------------------------------------------------
    def charge(self, charge_id: str) -> Row | None:
        return self.one("SELECT * FROM charges WHERE id = ?", charge_id)

    def charge_of(self, seq: int) -> Row:
        row = self.one("SELECT * FROM charges WHERE seq = ?", seq)
        assert row is not None, f"no charge has number {seq}"
        return row

    def charges_by(self, column: Literal["reference", "idempotency_key"], value: str) -> list[Row]:
        return self.all(f"SELECT * FROM charges WHERE {column} = ? ORDER BY seq DESC LIMIT 100", value)

    def open_charges(self, method: str | None) -> list[Row]:
        condition = "AND method = ?" if method else ""
        sql = f"SELECT * FROM charges WHERE status IN ('pending', 'requires_action') {condition} ORDER BY seq"
        return self.all(sql, *([method] if method else []))

    def latest_charges(self, limit: int) -> list[Row]:
        return self.all("SELECT * FROM charges ORDER BY seq DESC LIMIT ?", limit)

    def charges_after(self, seq: int, limit: int, *, changed_since: str, created_before: str) -> list[Row]:
        return self.all(
            "SELECT * FROM charges WHERE seq > ? AND updated_at >= ? AND created_at < ? ORDER BY seq LIMIT ?",
            seq, changed_since, created_before, limit,
        )  # fmt: skip

    def update_charge(self, row: Row, *, status: Status, captured: int, decline_code: str) -> Row:
        """Change a charge and return it as it is now."""
        self.run(
            "UPDATE charges SET status = ?, captured = ?, decline_code = ?, updated_at = ? WHERE seq = ?",
            status, captured, decline_code, timestamp(), row["seq"],
        )  # fmt: skip
        return self.charge_of(row["seq"])

    def totals(self, currency: str) -> list[Row]:
        """Return one row per method and status."""
        return self.all(
            "SELECT method, status, count(*) AS count, sum(amount) AS amount, sum(captured) AS captured,"
            " sum(refunded) AS refunded FROM charges WHERE currency = ? GROUP BY method, status",
            currency,
        )

    # --- refunds ------------------------------------------------------------------------------------------------
    def refunds_of(self, charge_seq: int) -> list[Row]:
        return self.all("SELECT * FROM refunds WHERE charge_seq = ? ORDER BY seq", charge_seq)

    def add_refunded(self, row: Row, amount: int) -> Row:
        """Add to what was refunded of a charge; it becomes ``refunded`` when nothing is left."""
        self.run(
            "UPDATE charges SET refunded = refunded + ?, updated_at = ?,"
            " status = CASE WHEN refunded + ? = captured THEN 'refunded' ELSE status END WHERE seq = ?",
            amount, timestamp(), amount, row["seq"],
        )  # fmt: skip
        return self.charge_of(row["seq"])

    # --- idempotency --------------------------------------------------------------------------------------------
    def answered(self, table: Literal["charges", "refunds"], key: str) -> Row | None:
        """Return the fingerprint and the answer stored under an idempotency key."""
        return self.one(f"SELECT fingerprint, answer_status, answer FROM {table} WHERE idempotency_key = ?", key)

    # --- webhooks -----------------------------------------------------------------------------------------------
    def due_webhooks(self, shard: int, shards: int, now: float) -> list[Row]:
        return self.all(
            "SELECT * FROM webhooks WHERE state = 'pending' AND due_at <= ? AND charge_seq % ? = ?"
            " ORDER BY due_at, seq LIMIT 20",
            now, shards, shard,
        )  # fmt: skip

    def next_due(self, shard: int, shards: int) -> float | None:
        sql = "SELECT min(due_at) FROM webhooks WHERE state = 'pending' AND charge_seq % ? = ?"
        row = self.one(sql, shards, shard)
        return row[0] if row else None

    def webhook_log(self, charge_id: str, limit: int) -> list[dict[str, Any]]:
        """Return the latest webhooks, newest first, each with its attempts; ``charge_id`` empty: of all charges."""
        condition = "WHERE c.id = ?" if charge_id else ""
        rows = self.all(
            "SELECT w.seq, w.event_id, c.id AS charge_id, w.type, w.url, w.bad_signature, w.signed_seconds_ago,"
            f" w.state, w.attempts, w.created_at FROM webhooks w JOIN charges c ON c.seq = w.charge_seq {condition}"
            " ORDER BY w.seq DESC LIMIT ?",
            *([charge_id] if charge_id else []), limit,
        )  # fmt: skip
        log = [dict(row) for row in rows]
        for entry in log:
            entry["deliveries"] = [
                dict(row)
                for row in self.all(
                    "SELECT attempt, at, http_status, error, milliseconds FROM deliveries"
                    " WHERE webhook_seq = ? ORDER BY attempt",
                    entry.pop("seq"),
                )
            ]
        return log


def as_charge(row: Row) -> Charge:
    """Return a row of ``charges`` as it travels."""
    currency = row["currency"]
    return Charge(
        id=row["id"],
        reference=row["reference"],
        status=row["status"],
        amount=decimal(row["amount"], currency),
        currency=currency,
        captured=decimal(row["captured"], currency),
        refunded=decimal(row["refunded"], currency),
        method=row["method"],
        decline_code=row["decline_code"],
        client_data=json.loads(row["client_data"]),
        metadata=json.loads(row["metadata"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def as_refund(row: Row, charge: Row) -> Refund:
    """Return a row of ``refunds`` as it travels."""
    return Refund(
        id=row["id"],
        charge_id=charge["id"],
        idempotency_key=row["idempotency_key"],
        status="succeeded",
        amount=decimal(row["amount"], charge["currency"]),
        currency=charge["currency"],
        reason=row["reason"],
        created_at=row["created_at"],
    )
