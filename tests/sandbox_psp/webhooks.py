"""Webhooks: written beside the change they tell of, signed and delivered by threads, tried again until taken."""

import hashlib
import hmac
import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence

import httpx
import msgspec

from tests.sandbox_psp.books import Books, as_charge
from tests.sandbox_psp.messages import Charge, Refusal, WebhookInput, encode, timestamp

SHARDS = 4
"""Webhooks of one charge are delivered by one thread, in order unless one fails; other charges do not wait for it."""
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0
MAXIMUM_ATTEMPTS = 15
TIMEOUT_SECONDS = 5.0
TYPES = ("authorized", "captured", "declined", "expired", "refunded", "voided")


class EventData(msgspec.Struct):
    charge: Charge


class Event(msgspec.Struct):
    id: str
    type: str
    created_at: str
    data: EventData


def signature(secret: str, body: bytes, signed_at: int) -> str:
    """Return the ``Sandbox-Signature`` header: HMAC-SHA256 of ``<unix time>.<raw body>``."""
    digest = hmac.new(secret.encode(), f"{signed_at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={signed_at},v1={digest}"


class Webhooks:
    def __init__(self, books: Books, *, secret: str, default_url: str) -> None:
        self._books = books
        self._secret = secret
        self._default_url = default_url
        self._wake = [threading.Event() for _ in range(SHARDS)]
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def start(self) -> None:
        for shard in range(SHARDS):
            threading.Thread(target=self._deliver_forever, args=(shard,), name=f"webhooks-{shard}", daemon=True).start()

    def wake(self, charge_seq: int) -> None:
        """Deliver soon; call it after the commit."""
        self._wake[charge_seq % SHARDS].set()

    # --- writing (inside the caller's transaction) ---------------------------------------------------------------
    def announce(self, row: sqlite3.Row, what: str) -> None:
        """Write the event ``charge.<what>`` about a charge as it is now."""
        event_id, type_ = f"evt_{secrets.token_hex(12)}", f"charge.{what}"
        self._write(row, event_id=event_id, type_=type_, body=_body(row, event_id, type_), order=WebhookInput())

    def write_again(self, row: sqlite3.Row, order: WebhookInput) -> int:
        """Write events of a charge once more, as ordered, and return how many.

        Without a type: all that were ever sent. An event that never was is made up from the charge as it is.

        Raises:
            Refusal: no such type, nothing to tell, or no address to send to.
        """
        if order.type and order.type not in {f"charge.{name}" for name in TYPES}:
            raise Refusal(422, "unknown_type", f"types are charge.{', charge.'.join(TYPES)}")
        if not (row["webhook_url"] or self._default_url):
            raise Refusal(409, "no_webhook_url", "neither the charge nor the server has an address for webhooks")
        events = self._past_events(row, order.type)
        if not events and (order.type or row["status"] in TYPES):
            event_id, type_ = f"evt_{secrets.token_hex(12)}", order.type or f"charge.{row['status']}"
            events = [(event_id, type_, _body(row, event_id, type_))]
        if not events:
            raise Refusal(409, "no_event", f"nothing to tell about a charge that is {row['status']}; name a type")
        for event_id, type_, body in reversed(events) if order.reversed else events:
            for _ in range(order.times):
                self._write(row, event_id=event_id, type_=type_, body=body, order=order)
        return len(events) * order.times

    def _past_events(self, row: sqlite3.Row, type_: str) -> list[tuple[str, str, bytes]]:
        condition = "AND type = ?" if type_ else ""
        past = self._books.all(
            f"SELECT event_id, type, body, min(seq) AS first FROM webhooks WHERE charge_seq = ? {condition}"
            " GROUP BY event_id ORDER BY first",
            row["seq"], *([type_] if type_ else []),
        )  # fmt: skip
        return [(event["event_id"], event["type"], event["body"]) for event in past]

    def _write(self, row: sqlite3.Row, *, event_id: str, type_: str, body: bytes, order: WebhookInput) -> None:
        url = row["webhook_url"] or self._default_url
        if not url:
            return
        values = {
            "event_id": event_id,
            "charge_seq": row["seq"],
            "type": type_,
            "url": url,
            "body": body,
            "bad_signature": order.bad_signature,
            "signed_seconds_ago": order.signed_seconds_ago,
            "state": "pending",
            "attempts": 0,
            "due_at": time.time() + order.delay_ms / 1000,
            "created_at": timestamp(),
        }
        self._books.insert("webhooks", values)

    # --- delivering ---------------------------------------------------------------------------------------------
    def _deliver_forever(self, shard: int) -> None:
        while True:
            self._wake[shard].clear()
            due = self._books.due_webhooks(shard, SHARDS, time.time())
            for webhook in due:
                self._attempt(webhook)
            if not due:
                next_due = self._books.next_due(shard, SHARDS)
                wait = 60.0 if next_due is None else max(next_due - time.time(), 0.01)
                self._wake[shard].wait(min(wait, 60.0))

    def _attempt(self, webhook: sqlite3.Row) -> None:
        status, error, started = 0, "", time.monotonic()
        try:
            answer = self._client.post(webhook["url"], content=webhook["body"], headers=self._headers(webhook))
            status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            error = f"{type(failure).__name__}: {failure}"
        taken = 200 <= status < 300
        attempt = webhook["attempts"] + 1
        spoilt = webhook["bad_signature"] or webhook["signed_seconds_ago"]
        last = attempt >= (1 if spoilt else MAXIMUM_ATTEMPTS)
        state = "delivered" if taken else "failed" if last else "pending"
        if state == "failed":
            print(f"webhook {webhook['event_id']} given up after {attempt} attempts", file=sys.stderr, flush=True)
        pause = min(FIRST_RETRY_SECONDS * 2 ** (attempt - 1), LONGEST_RETRY_SECONDS)
        milliseconds = round((time.monotonic() - started) * 1000)
        with self._books.transaction():
            self._books.run(
                "UPDATE webhooks SET state = ?, attempts = ?, due_at = ? WHERE seq = ?",
                state, attempt, time.time() + pause, webhook["seq"],
            )  # fmt: skip
            self._books.run(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?)",
                webhook["seq"], attempt, timestamp(), status, error, milliseconds,
            )  # fmt: skip

    def _headers(self, webhook: sqlite3.Row) -> Sequence[tuple[str, str]]:
        secret = f"not-{self._secret}" if webhook["bad_signature"] else self._secret
        signed_at = int(time.time()) - webhook["signed_seconds_ago"]
        return [
            ("Content-Type", "application/json"),
            ("User-Agent", "sandbox-psp"),
            ("Sandbox-Signature", signature(secret, webhook["body"], signed_at)),
        ]


def _body(row: sqlite3.Row, event_id: str, type_: str) -> bytes:
    return encode(Event(id=event_id, type=type_, created_at=timestamp(), data=EventData(charge=as_charge(row))))
