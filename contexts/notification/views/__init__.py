"""Notification over HTTP."""
