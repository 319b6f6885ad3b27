"""The figures that the documents promise. They stand here on their own, so that code which breaks one is noticed."""

LEASE_SECONDS = 10
RENEW_SECONDS = 3
ATTEMPTS = 10
"""Of an event that the broker refuses, and of a message that its handler refuses."""
BEGINNINGS = 5
"""Of a message that kills its consumer."""
