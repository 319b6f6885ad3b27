"""The base of every admin page: what the back office saves is one unit of work, like every other action."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import router
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from ecommerce.unit_of_work import UnitOfWork, unit_of_work

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class ContextAdmin(ModelAdmin):
    """Runs the add, change and delete forms, edits in a list and "delete selected" in a unit of work of the context.

    ``save_model``, ``delete_model`` and ``delete_queryset`` publish with ``self.work(request).publish(...)`` and must
    not call a use case, which opens a unit of work of its own. Every other action (of a list, a row or a page) runs
    outside any transaction: it calls one use case per object, and that is where status and money change. Unfold's
    ``actions_submit_line`` run within ``save_model``, so they may not call one either.
    """

    show_full_result_count = False
    transactional_actions = frozenset({"delete_selected"})
    """Names of list actions that change rows themselves instead of calling use cases."""

    def work(self, request: HttpRequest) -> UnitOfWork:
        """Return the open unit of work of this request.

        Raises:
            RuntimeError: the page is not one that saves.
        """
        work = getattr(request, "unit_of_work", None)
        if not isinstance(work, UnitOfWork):
            raise RuntimeError(f"{request.method} {request.path} runs outside a unit of work")
        return work

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._in_unit_of_work(request, partial(super().changeform_view, request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._in_unit_of_work(request, partial(super().delete_view, request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view = partial(super().changelist_view, request, *args, **kwargs)
        actions = set(request.POST.getlist("action"))
        saves = "_save" in request.POST or actions & self.transactional_actions
        return self._in_unit_of_work(request, view) if saves else view()

    def _in_unit_of_work(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return view()
        with unit_of_work(router.db_for_write(self.model)) as work:
            request.unit_of_work = work  # type: ignore[attr-defined]
            try:
                return view()
            finally:
                del request.unit_of_work  # type: ignore[attr-defined]
