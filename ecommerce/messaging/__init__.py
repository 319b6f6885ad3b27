"""Messages between contexts: the envelope, the broker port and its two adapters."""
