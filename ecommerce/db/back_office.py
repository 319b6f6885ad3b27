"""What admin pages have in common that only show: no rights, tables of rows, and a choice of the context.

For the tables that every context's schema has. Imported by ``admin`` modules only: without the back office there is no
unfold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget

from ecommerce.topology import Context, current

Row = TypeVar("Row", bound=Model)
Cell = TypeVar("Cell")
CONTEXT = "context"
FIRST = "order"
"""The context whose tables are shown first: there is the money."""


class ReadOnly:
    """Shows rows and changes none; put it before the class of the admin page. Actions decide for themselves."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ContextFilter(admin.SimpleListFilter):
    """Chooses whose table is shown. There is no "all": they are different tables."""

    title = "contexto"
    parameter_name = CONTEXT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.chosen = context_of(request).name
        return [(context.name, context.name) for context in current().local]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for name, title in self.lookup_choices:
            query = changelist.get_query_string({CONTEXT: name}, remove=["p"])
            yield {"selected": name == self.chosen, "query_string": query, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset


class PeriodFilter(RangeDateTimeFilter):
    """Reads moments as the rest of the back office does. Its parent reads the month first, whatever the language, and
    forgets the time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Row]) -> QuerySet[Row]:
        form = self.form_class(name=self.parameter_name, data=self.used_parameters)
        if not form.is_valid():
            messages.error(request, "O período não foi entendido: escreva as datas e as horas por inteiro.")
        since, until = (form.cleaned_data.get(f"{self.parameter_name}_{end}") for end in ("from", "to"))
        if since:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": since})
        return queryset.filter(**{f"{self.parameter_name}__lt": until}) if until else queryset


class ReasonDialog(BaseDialogForm):
    reason = forms.CharField(label="Por quê", max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class SharedTableAdmin(ReadOnly, ModelAdmin):
    """A table that every context has, read from the database of the context that ``?context=`` names."""

    show_full_result_count = False
    paginator = InfinitePaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.using(context_of(request).alias)

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        return [ContextFilter, *super().get_list_filter(request)]

    def get_preserved_filters(self, request: HttpRequest) -> str:
        """Keep the context in every link to and from a row, its history included."""
        kept: str = super().get_preserved_filters(request)
        return kept or urlencode({"_changelist_filters": urlencode({CONTEXT: context_of(request).name})})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            raise PermissionDenied
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse):
            for action in (response.context_data or {}).get("actions_detail", []):
                action["path"] += f"?{urlencode({CONTEXT: context_of(request).name})}"
        return response

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied

    def log_decision(self, request: HttpRequest, rows: Sequence[Model], what: str) -> None:
        """Write down who decided what about rows, in two statements however many there are. The log is one for all
        contexts, so it says which."""
        message = f"[{context_of(request).name}] {what}"
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, message)  # type: ignore[arg-type]

    def back_to(self, request: HttpRequest, object_id: object = None) -> HttpResponse:
        """Return to the page of a row, or to the list, also from a dialog, which asks by htmx."""
        options = self.model._meta
        page, args = ("changelist", []) if object_id is None else ("change", [object_id])
        path = reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args)
        url = f"{path}?{urlencode({CONTEXT: context_of(request).name})}"
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


def worked_out_once(shown: Callable[[Any, Row], Cell]) -> Callable[[Any, Row], Cell]:
    """Let a method that shows something of a row ask the database once: templates ask it several times per page."""

    @wraps(shown)
    def show(page: Any, row: Row) -> Cell:
        known: dict[str, Cell] = row.__dict__.setdefault("_worked_out", {})
        if shown.__name__ not in known:
            known[shown.__name__] = shown(page, row)
        return known[shown.__name__]

    return show


def context_of(request: HttpRequest) -> Context:
    """Return the context that a page is about: named by its own query, or by that of the list it was reached from."""
    came_from = parse_qs(request.GET.get("_changelist_filters", "")).get(CONTEXT, [""])
    local = {context.name: context for context in current().local}
    for name in (request.GET.get(CONTEXT, ""), came_from[-1], FIRST):
        if name in local:
            return local[name]
    return next(iter(local.values()))


def table(rows: Iterable[Iterable[Any]], head: Iterable[str] = ()) -> SafeString:
    """Return rows of cells as an HTML table; every cell is escaped."""
    titles = format_html_join("", '<th class="pr-4 py-1 text-left font-semibold">{}</th>', ((cell,) for cell in head))
    lines = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", '<td class="pr-4 py-1 align-top">{}</td>', ((cell,) for cell in row)),) for row in rows),
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", titles, lines)
