"""What catalog's pages have in common."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from ecommerce.admin import ContextAdmin
from ecommerce.errors import DomainError


class CatalogAdmin(ContextAdmin):
    """Shows what a use case refuses as a message; the unit of work has been rolled back by then."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            messages.error(request, error.detail or error.code)
            return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdmin(CatalogAdmin):
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
