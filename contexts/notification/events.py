"""Notification publishes nothing yet: messages end here."""
