"""The clock. Views, handlers, tasks and commands read it once and pass ``now`` down; domain code never does."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

BRASILIA = ZoneInfo("America/Sao_Paulo")
"""Where days begin and end for banks, cards, terms and mails."""


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)
