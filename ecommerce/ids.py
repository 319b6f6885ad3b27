"""Identifiers."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562): unique, and sorted by creation time to the millisecond."""
    return UUID(bytes=uuid_utils.uuid7().bytes)
