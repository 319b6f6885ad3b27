"""What the admin pages of notification share."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from ecommerce.admin import ContextAdmin


class ReadOnlyAdmin(ContextAdmin):
    """What may only be looked at; whatever happens to it is an action."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def preview_page(page: ContextAdmin, request: HttpRequest, *, title: str, **context: Any) -> HttpResponse:
    """Show a text as its reader would see it; its HTML in a frame that may run nothing and call nobody's cookies."""
    everything = {**page.admin_site.each_context(request), "opts": page.model._meta, "title": title, **context}
    return TemplateResponse(request, "notification/admin/preview.html", everything)


def back_to(request: HttpRequest, model: type[Model], object_id: object) -> HttpResponse:
    """Return to the page of an object, also from a dialog, which asks by htmx."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[object_id])
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)
