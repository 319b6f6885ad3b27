"""The base of every admin page: what the back office saves is one unit of work, like every other action."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from django.contrib.admin.utils import flatten_fieldsets
from django.db import router
from django.db.models.constants import LOOKUP_SEP
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from ecommerce.unit_of_work import UnitOfWork, unit_of_work

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class Coloured(NamedTuple):
    """What a column with ``display(label={key: colour})`` returns. Lists show the text in its colour, other pages the
    text alone."""

    key: str
    text: str

    def __str__(self) -> str:
        return self.text


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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let the query of a list ask only about what the pages show.

        Django lets it ask about every column: ``?password__startswith=a`` and its like would spell out, letter by
        letter, what no page shows.
        """
        asked = lookup.partition(LOOKUP_SEP)[0]
        hidden = asked != "pk" and asked in self._columns() and asked not in self._shown(request)
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed and not hidden

    def _columns(self) -> set[str]:
        fields = self.model._meta.get_fields()
        return {name for field in fields for name in (field.name, getattr(field, "attname", field.name))}

    def _shown(self, request: HttpRequest) -> set[str]:
        filters = [each[0] if isinstance(each, tuple | list) else each for each in self.get_list_filter(request)]
        names = {*self.get_list_display(request), *filters, self.date_hierarchy}
        names |= set(flatten_fieldsets(self.get_fieldsets(request)))
        return {name.partition(LOOKUP_SEP)[0] for name in names if isinstance(name, str)}

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


class LockingAdmin(ContextAdmin):
    """Locks the row that a form changes, and saves only what the form changed: use cases change the rest meanwhile."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method in SAFE_METHODS:
            return found
        return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=found.pk).first()

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if change:
            obj.save(update_fields=changed_columns(form))
        else:
            obj.save(force_insert=True)


def changed_columns(form: ModelForm[Any]) -> list[str]:
    """Return the fields of the row itself that a form changed."""
    columns = {field.name for field in form.instance._meta.concrete_fields}
    return [name for name in form.changed_data if name in columns]
