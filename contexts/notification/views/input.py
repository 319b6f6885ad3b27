"""How views read what they are sent."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.serializers import Serializer

from ecommerce.http.permissions import Authenticated, HasScope
from ecommerce.http.views import APIView

TAGS = ["notification"]


class StaffView(APIView):
    """A view whose methods need a scope each."""

    scopes: ClassVar[dict[str, str]] = {}

    def get_permissions(self) -> list[BasePermission]:
        scope = self.scopes.get(self.request.method or "")
        return [HasScope(scope) if scope else Authenticated()]


def checked(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return ``data`` as ``serializer`` wants it.

    Raises:
        ValidationError: it is not like that.
    """
    form = serializer(data=data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
