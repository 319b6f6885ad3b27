"""When a failed delivery is tried again."""

from datetime import timedelta

MAX_ATTEMPTS = 8
FIRST_DELAY = timedelta(seconds=15)
FACTOR = 4
LONGEST_DELAY = timedelta(hours=6)


def retry_delay(attempt: int, *, jitter: float) -> timedelta | None:
    """Return how long to wait after failed attempt number ``attempt`` (from 1), or None when there is no other.

    Exponential with full jitter: ``jitter`` in [0, 1) takes a share of 15 s, 1 min, 4 min, 16 min, about 1 h, 4 h and
    6 h, so that a provider may be down for half a working day, and a crowd does not return at once.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    longest = min(LONGEST_DELAY, FIRST_DELAY * float(FACTOR ** (attempt - 1)))
    return jitter * longest
