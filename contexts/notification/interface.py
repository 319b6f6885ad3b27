"""Notification stands at the top of the river: no context calls it; it only listens."""
