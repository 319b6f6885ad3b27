"""The transactional outbox: events are rows of the business transaction, and a relay hands them to the broker."""
