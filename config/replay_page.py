"""Asking for a replay in the back office: a form, what the replay would find, and the go-ahead.

The replay itself is a worker's (``config/tasks.py``); a request only counts for some seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db import OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from psycopg.errors import QueryCanceled
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from config.event_pages import page
from config.replay import Replay, Tally
from config.views import TITLES
from ecommerce import clock
from ecommerce.db.back_office import CONTEXT, context_of
from ecommerce.ids import new_id
from ecommerce.inbox import runs
from ecommerce.inbox.registry import Handler, handlers
from ecommerce.messaging.upcasting import with_older
from ecommerce.topology import current

COUNTING_SECONDS = 5.0
LATELY = timedelta(days=1)


class Moment(forms.DateTimeField):
    def __init__(self, **options: Any) -> None:
        attrs = {"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}
        super().__init__(widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs=attrs), **options)


class ReplayForm(forms.Form):
    """Its last two fields are the page's own: which run this is, and how much it would read."""

    handler = forms.ChoiceField(label="Manipulador", widget=UnfoldAdminSelectWidget)
    types = forms.MultipleChoiceField(
        label="Só estes tipos", required=False, widget=UnfoldAdminSelectMultipleWidget,
        help_text="Sem escolha: todos os que o manipulador ouve.",
    )  # fmt: skip
    since = Moment(label="Publicados desde (UTC)")
    until = Moment(label="Até antes de (UTC)", required=False, help_text="Vazio: agora.")
    aggregate = forms.CharField(
        label="Só este agregado", required=False, max_length=60, widget=UnfoldAdminTextInputWidget,
        help_text="O id do pedido, da variante, …, por inteiro. Vazio: todos.",
    )  # fmt: skip
    reason = forms.CharField(label="Por quê", max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
    run_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    expected = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, publisher: str = "", heard: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [
            handler for handler in _offered()
            if publisher in ("", _publisher(handler)) and (not heard or heard in _types(handler))
        ] or _offered()  # fmt: skip
        cast(forms.ChoiceField, self.fields["handler"]).choices = [
            (f"eventos de {TITLES.get(name, name)}", [(each.name, each.name) for each in group])
            for name, group in groupby(sorted(offered, key=_publisher), key=_publisher)
        ]
        types = sorted({type_ for handler in offered for type_ in _types(handler)})
        cast(forms.MultipleChoiceField, self.fields["types"]).choices = [(type_, type_) for type_ in types]

    def clean(self) -> dict[str, Any]:
        facts = self.cleaned_data
        facts["until"] = facts.get("until") or clock.now()
        if "since" in facts and facts["since"] >= facts["until"]:
            self.add_error("until", "O fim precisa vir depois do começo.")
        if "handler" in facts:
            heard = _types(_handler(facts["handler"]))
            if others := sorted(set(facts.get("types", [])) - set(heard)):
                self.add_error("types", f"{facts['handler']} não ouve {', '.join(others)}.")
            facts["types"] = facts.get("types") or heard
        return facts

    def replay(self) -> Replay:
        """Return what a valid form asks for."""
        facts, handler = self.cleaned_data, _handler(self.cleaned_data["handler"])
        return Replay(
            current()[_publisher(handler)], handler, facts["types"], facts["run_id"] or new_id(), facts["since"],
            facts["until"], facts["aggregate"],
        )  # fmt: skip


@permission_required("inbox.replay_events", raise_exception=True)
def replay(request: HttpRequest) -> HttpResponse:
    """Show the form; then what a replay would find; then begin it. Begins once, however often that is asked."""
    if request.method != "POST":
        return _show(request, ReplayForm(initial=_wanted(request), **_narrowed(request)))
    form = ReplayForm(request.POST)
    if "_edit" in request.POST or not form.is_valid():
        return _show(request, form)
    asked = form.replay()
    if "_begin" in request.POST and form.cleaned_data["run_id"]:
        return _begin(request, form, asked)
    found, complete = _rehearsed(asked)
    return page(
        request, "config/replay_confirm.html", title="Reenviar eventos", replay=asked, found=found, complete=complete,
        reason=form.cleaned_data["reason"], expected=found.read if complete else "",
    )  # fmt: skip


def _show(request: HttpRequest, form: ReplayForm) -> HttpResponse:
    return page(request, "config/replay_form.html", title="Reenviar eventos", form=form)


def _begin(request: HttpRequest, form: ReplayForm, asked: Replay) -> HttpResponse:
    facts, context = form.cleaned_data, current()[asked.handler.context]
    run, new = runs.begin(
        context.alias, asked.run_id, publisher=asked.publisher.name, handler=asked.handler.name, types=asked.types,
        since=asked.since, until=asked.until, aggregate_id=asked.subject, expected=facts["expected"],
        reason=facts["reason"], actor=f"user:{request.user.pk}", now=clock.now(),
    )  # fmt: skip
    if new:
        record = admin.site.get_model_admin(type(run))
        record.log_addition(request, run, f"[{context.name}] {run}: {', '.join(run.types)} – {run.reason}")
        messages.success(request, "O reenvio está na fila: um worker começa em segundos.")
    url = reverse("admin:inbox_replayrun_change", args=[run.pk])
    return HttpResponseRedirect(f"{url}?{CONTEXT}={context.name}")


def _rehearsed(asked: Replay) -> tuple[Tally, bool]:
    """Return what the replay would find, and whether all of it was looked at in the time that a request has."""
    until, tally = time.monotonic() + COUNTING_SECONDS, Tally()
    try:
        with _no_statement_longer(asked.publisher.alias, COUNTING_SECONDS):
            for tally in asked.rehearse():
                if time.monotonic() >= until:
                    return tally, False
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return tally, False
    return tally, True


@contextmanager
def _no_statement_longer(alias: str, seconds: float) -> Iterator[None]:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{int(seconds * 1000)}ms"])
        yield


def _wanted(request: HttpRequest) -> dict[str, Any]:
    """Return what the list of published events is filtered by, as the beginning of the form."""
    asked = request.GET
    return {
        "types": [asked["type"]] if asked.get("type") else [],
        "since": _moment(asked.get("since", "")) or clock.now() - LATELY,
        "until": _moment(asked.get("until", "")),
        "aggregate": asked.get("aggregate", ""),
    }


def _narrowed(request: HttpRequest) -> dict[str, str]:
    publisher = context_of(request).name if CONTEXT in request.GET else ""
    return {"publisher": publisher, "heard": request.GET.get("type", "")}


def _moment(text: str) -> datetime | None:
    try:
        moment: datetime | None = forms.DateTimeField(required=False).clean(text)
    except forms.ValidationError:
        return None
    return moment


def _offered() -> list[Handler]:
    """Return the handlers that a worker here can replay to: theirs and the publisher's tables are at hand."""
    local = {context.name for context in current().local}
    return [each for each in handlers() if each.context in local and _publisher(each) in local]


def _handler(name: str) -> Handler:
    return next(each for each in handlers() if each.name == name)


def _publisher(handler: Handler) -> str:
    type_: str = handler.event.type
    return type_.partition(".")[0]


def _types(handler: Handler) -> list[str]:
    return sorted(with_older([handler.event.type]))
