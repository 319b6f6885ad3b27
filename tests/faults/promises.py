"""The figures that the documents promise. They stand here on their own, so that code which breaks one is noticed."""

LEASE_SECONDS = 10
RENEW_SECONDS = 3
READER_SECONDS = 30
"""In which the reader of a queue that says nothing any more has lost it."""
ATTEMPTS = 10
"""Of an event that the broker refuses, and of a message that its handler refuses."""
BEGINNINGS = 5
"""Of a message that kills its consumer."""
