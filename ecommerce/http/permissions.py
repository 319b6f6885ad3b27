"""What a principal may do. An anonymous one that may not is answered 401, a known one 403."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ecommerce.http.authentication import principal_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Authenticated(BasePermission):
    """Anybody who is logged in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return principal_of(request).is_authenticated


class HasScope(BasePermission):
    """Anybody whose roles grant ``scope``, a Django permission such as ``catalog.change_product``.

    Goes into ``permission_classes`` as it is: DRF "instantiates" it by calling it.
    """

    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.message = f"Missing scope: {scope}"

    def __call__(self) -> HasScope:
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        principal = principal_of(request)
        return principal.is_authenticated and principal.has_scope(self.scope)
