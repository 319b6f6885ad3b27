"""Logs, metrics and health, and the request context that ties them together across processes."""
