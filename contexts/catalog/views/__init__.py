"""The REST views of catalog."""
