"""The events page of the back office: figures of every context, and charts that follow them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.views.decorators.http import require_safe

from config import flow
from config.flow import COUNT_AT_MOST, ContextNow, Now
from config.views import TITLES
from ecommerce import clock, codec
from ecommerce.db.back_office import CONTEXT

PERMISSION = "outbox.view_outboxevent"
LATE_SECONDS = 10
OUTBOX, PARKED, REPLAYS = "outbox_outboxevent", "inbox_parkedmessage", "inbox_replayrun"
STATES = {
    "away": "em outro serviço",
    "good": "em dia",
    "late": "atrasado",
    "person": "espera uma pessoa",
    "stopped": "sem worker",
    "down": "sem resposta do banco",
}
"""From the harmless to what is looked after first."""


@dataclass(frozen=True)
class Cell:
    """``note`` says what the figure means; ``wrong``: somebody should look, at ``url`` if there is one."""

    label: str
    note: str
    text: str
    wrong: bool = False
    url: str = ""

    @property
    def nothing(self) -> bool:
        return self.text in ("0", "–")


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    state: str
    cells: list[Cell]

    @property
    def said(self) -> str:
        return STATES[self.state]


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def events(request: HttpRequest) -> HttpResponse:
    """The figures as a table. With JavaScript there are charts, too, and fresh figures every few seconds."""
    window = _window(request)
    table = _table(flow.take(window, now=clock.now()))
    return page(
        request, "config/events.html", title="Eventos", table=table, window=window, windows=flow.WINDOWS.values()
    )  # fmt: skip


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def figures(request: HttpRequest) -> HttpResponse:
    """The same table, as it is now, and the series of the charts."""
    now = flow.take(_window(request), now=clock.now())
    answer = {
        "table": _table(now) + "",  # a plain string: the codec knows no SafeString
        "times": now.times,
        "series": {each.name: each.series for each in now.contexts if each.healthy},
    }
    return HttpResponse(codec.encode(answer), content_type="application/json")


def page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """Render a page of the back office that belongs to no table."""
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})


def _window(request: HttpRequest) -> flow.Window:
    return flow.WINDOWS.get(request.GET.get("janela", ""), flow.WINDOWS["1h"])


def _table(now: Now) -> str:
    window, found = flow.WINDOWS[now.window], {each.name: each for each in now.contexts}
    rows = [_row(found[name], title, window) for name, title in TITLES.items() if name in found]
    worst = max((row.state for row in rows), key=list(STATES).index)
    context = {"rows": rows, "head": next((row.cells for row in rows if row.cells), []), "window": window, "at": now.at}
    concerned = [row.title for row in rows if row.state == worst]
    summary = "tudo em dia" if worst == "good" else f"{STATES[worst]}: {', '.join(concerned)}"
    return render_to_string("config/event_table.html", {**context, "worst": worst, "summary": summary})


def _row(now: ContextNow, title: str, window: flow.Window) -> Row:
    return Row(now.name, title, _state(now), list(_cells(now, window)) if now.healthy else [])


def _state(now: ContextNow) -> str:
    found = {
        "away": not now.local,
        "down": not now.healthy,
        "stopped": not now.worker,
        "person": now.parked + now.inbox_parked > 0,
        "late": (now.oldest or 0) > LATE_SECONDS,
    }
    return next((state for state, true in found.items() if true), "good")


def _cells(now: ContextNow, window: flow.Window) -> Iterator[Cell]:
    late, lately = (now.oldest or 0) > LATE_SECONDS, f"nos últimos {window.title}"
    pending, held = _list(now, OUTBOX, "PENDING"), _list(now, OUTBOX, "BLOCKED")
    yield Cell("Na fila", "no outbox, ainda não entregues ao broker", _count(now.pending), late, pending)
    yield Cell("Mais antigo", "idade do evento que espera há mais tempo", _seconds(now.oldest), late)
    yield Cell("Bloqueados", "no outbox, à espera de outra tentativa", _count(now.blocked), now.blocked > 0, held)
    yield Cell(
        "Parados no outbox", "à espera de uma pessoa", _count(now.parked), now.parked > 0, _list(now, OUTBOX, "PARKED")
    )
    yield Cell(
        "Tentando de novo", "mensagens no inbox à espera de outra tentativa", _count(now.retrying), now.retrying > 0,
        _list(now, PARKED, "RETRY"),
    )  # fmt: skip
    yield Cell(
        "Parados no inbox", "à espera de uma pessoa", _count(now.inbox_parked), now.inbox_parked > 0,
        _list(now, PARKED, "PARKED"),
    )  # fmt: skip
    yield Cell("Publicados/s", f"entregues ao broker, {window.last_step}", _rate(now.published))
    yield Cell("Tratados/s", f"recebidos pelos manipuladores, {window.last_step}", _rate(now.handled))
    yield Cell("Até o efeito", f"da publicação ao efeito, em média, {lately}", _seconds(now.seconds))
    yield Cell("Duplicatas", f"entregas repetidas que não tiveram efeito, {lately}", _count(now.duplicates))
    yield Cell("Leases perdidos", f"partições que um relay deixou de ter, {lately}", _count(now.leases_lost))
    yield Cell("Reenvios", "em andamento", _count(now.replays), url=_list(now, REPLAYS, "RUNNING"))


def _list(now: ContextNow, table: str, status: str) -> str:
    return f"{reverse(f'admin:{table}_changelist')}?{urlencode({CONTEXT: now.name, 'status__exact': status})}"


def _number(value: float, places: int = 0) -> str:
    return number_format(round(value, places), places, use_l10n=True, force_grouping=True)


def _count(value: int) -> str:
    return _number(value) + ("+" if value == COUNT_AT_MOST else "")


def _rate(value: float | None) -> str:
    return "–" if value is None else _number(value, 0 if value == 0 or value >= 100 else 1 if value >= 1 else 2)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    if value < 1:
        return f"{_number(value * 1000)} ms"
    if value < 120:
        return f"{_number(value, 1 if value < 10 else 0)} s"
    return f"{_number(value / 60)} min" if value < 7200 else f"{_number(value / 3600)} h"
