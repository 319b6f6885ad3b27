"""What the views read from a request."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.serializers import Serializer


def valid(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the checked body.

    Raises:
        ValidationError
    """
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    body: dict[str, Any] = checked.validated_data
    return body


def cart_token(request: Request) -> str:
    """Return the guest's key to a cart; empty without one."""
    return str(request.headers.get("X-Cart-Token", ""))
