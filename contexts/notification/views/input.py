"""How views read what they are sent."""

from __future__ import annotations

from typing import Any

from rest_framework.serializers import Serializer

TAGS = ["notification"]


def checked(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return ``data`` as ``serializer`` wants it.

    Raises:
        ValidationError: it is not like that.
    """
    form = serializer(data=data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
