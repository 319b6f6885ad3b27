"""The clock. Views, handlers, tasks and commands read it once and pass ``now`` down; domain code never does."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)
