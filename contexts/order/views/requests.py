"""What the views read from a request."""

from __future__ import annotations

from rest_framework.request import Request


def cart_token(request: Request) -> str:
    """Return the guest's key to a cart; empty without one."""
    return str(request.headers.get("X-Cart-Token", ""))
