"""What the pages of orders have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from ecommerce import clock
from ecommerce.admin import ContextAdmin
from ecommerce.db.back_office import ReadOnly
from ecommerce.errors import DomainError


class OrderPagesAdmin(ReadOnly, ContextAdmin):
    """Shows rows; what may be done with them is done by a use case."""

    def run(
        self, request: HttpRequest, name: object, use_case: Callable[..., Any], *, done: str, **arguments: Any
    ) -> None:
        """Call a use case for the person who asks, and tell them what came of it."""
        try:
            use_case(**arguments, actor=f"user:{request.user.pk}", now=clock.now())
        except DomainError as refused:
            self.message_user(request, f"{name}: {refused.detail or refused.code}", messages.ERROR)
        else:
            self.message_user(request, f"{name}: {done}", messages.SUCCESS)

    def back_to(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """Return to the page of a row, also from a dialog, which asks by htmx."""
        url = reverse(f"admin:order_{self.model._meta.model_name}_change", args=[object_id])
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)
