"""``Idempotency-Key``: a request that is sent twice takes effect once and is answered the same way twice.

The key is claimed inside the business transaction, so that it and the effect commit or vanish together. The answer is
stored later, when it is known; in between the request is in flight, for ``LOCK_SECONDS`` at most. A request that was
cut off in between is found as :class:`Abandoned` and can be answered from the state of the resource it made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import connections
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from ecommerce import codec
from ecommerce.errors import Conflict, Invalid
from ecommerce.http.authentication import Principal

MAX_KEY_LENGTH = 255
LOCK_SECONDS = 60
KEEP_HOURS = 24

COLUMNS = "fingerprint, resource_id, status_code, response::text, locked_until > clock_timestamp()"
FIND = f"SELECT {COLUMNS} FROM idempotency_keys WHERE scope = %s AND key = %s"  # noqa: S608
CLAIM = f"""
    INSERT INTO idempotency_keys (scope, key, fingerprint, resource_id, created_at, locked_until, expires_at)
    VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => {LOCK_SECONDS}),
            clock_timestamp() + make_interval(hours => {KEEP_HOURS}))
    ON CONFLICT (scope, key) DO UPDATE SET key = EXCLUDED.key
    RETURNING xmax = 0, idempotency_keys.fingerprint, idempotency_keys.resource_id, idempotency_keys.status_code,
              idempotency_keys.response::text, idempotency_keys.locked_until > clock_timestamp()
"""  # noqa: S608
COMPLETE = """
    UPDATE idempotency_keys SET status_code = %s, response = %s::jsonb
    WHERE scope = %s AND key = %s AND status_code IS NULL
"""
PURGE = """
    DELETE FROM idempotency_keys
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_keys WHERE expires_at < clock_timestamp() LIMIT %s))
"""


class IdempotencyKeyMissing(APIException):
    status_code = 400
    default_code = "idempotency_key_missing"
    default_detail = "Envie o cabeçalho Idempotency-Key, com 1 a 255 caracteres ASCII."


class IdempotencyInFlight(Conflict):
    code = "idempotency_in_flight"


class IdempotencyMismatch(Invalid):
    code = "idempotency_key_reused"


@dataclass(frozen=True)
class Replay:
    """The stored answer to this very request."""

    status: int
    body: Any

    def response(self) -> Response:
        return Response(self.body, status=self.status, headers={"Idempotency-Replayed": "true"})


@dataclass(frozen=True)
class Abandoned:
    """This very request took effect, but its answer was never stored. ``resource_id`` is what it made."""

    resource_id: UUID | None


def require_key(request: Request) -> str:
    """Return the ``Idempotency-Key`` header.

    Raises:
        IdempotencyKeyMissing: there is none, or it is not 1 to 255 printable ASCII characters.
    """
    key: str = request.META.get("HTTP_IDEMPOTENCY_KEY", "").strip()
    if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyMissing
    return key


def scope_of(principal: Principal, guest_token: str = "") -> str:
    """Return whose keys these are: a customer's, or those of a guest who is known by ``guest_token`` only."""
    if principal.id is not None:
        return f"user:{principal.id}"
    return f"guest:{hashlib.sha256(guest_token.encode()).hexdigest()}"


def fingerprint_of(request: Request) -> str:
    """Return a digest of method, path and JSON body; spacing and the order of members do not count."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(b"\n".join([str(request.method).encode(), request.path.encode(), body])).hexdigest()


def find(alias: str, scope: str, key: str, fingerprint: str) -> Replay | Abandoned | None:
    """Return what is known of an earlier request with this key; None when there was none.

    Raises:
        IdempotencyInFlight: the earlier request is not answered yet.
        IdempotencyMismatch: the earlier request was another one.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(FIND, [scope, key])
        row = cursor.fetchone()
    return _outcome(fingerprint, *row) if row else None


def claim(
    alias: str, scope: str, key: str, fingerprint: str, resource_id: UUID | None = None
) -> Replay | Abandoned | None:
    """Claim the key as part of the caller's transaction on ``alias``; None means that it is ours now.

    Make it the first statement: an earlier request whose transaction is still open is waited for. Roll back unless the
    answer is None.

    Raises:
        IdempotencyInFlight: another request holds the key and is not answered yet.
        IdempotencyMismatch: the key belongs to another request.
        RuntimeError: no transaction is open.
    """
    connection = connections[alias]
    if not connection.in_atomic_block:
        raise RuntimeError("an idempotency key is claimed inside the business transaction")
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [scope, key, fingerprint, resource_id])
        inserted, *row = cursor.fetchone()
    return None if inserted else _outcome(fingerprint, *row)


def complete(alias: str, scope: str, key: str, status: int, body: Any) -> None:
    """Store the answer to a claimed request. The first answer stays: a second call changes nothing."""
    with connections[alias].cursor() as cursor:
        cursor.execute(COMPLETE, [status, codec.encode(body).decode(), scope, key])


def purge(alias: str, *, limit: int = 1000) -> int:
    """Delete up to ``limit`` keys older than ``KEEP_HOURS`` and return how many went; for a periodic task."""
    with connections[alias].cursor() as cursor:
        cursor.execute(PURGE, [limit])
        deleted: int = cursor.rowcount
    return deleted


def _outcome(
    expected: str, fingerprint: str, resource_id: UUID | None, status: int | None, response: str | None, locked: bool
) -> Replay | Abandoned:
    if fingerprint != expected:
        raise IdempotencyMismatch("Esta Idempotency-Key já foi usada com outra requisição.")
    if status is not None:
        return Replay(status, orjson.loads(response or "null"))
    if locked:
        raise IdempotencyInFlight("A primeira requisição com esta Idempotency-Key ainda está em andamento.",
                                  retry_after=1)  # fmt: skip
    return Abandoned(resource_id)
