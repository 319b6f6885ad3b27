"""The front page: what this is, where to go, and how it is doing right now."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config import status as running
from ecommerce import codec
from ecommerce.topology import current

TITLES = {
    "identity": "Contas",
    "catalog": "Catálogo",
    "cart": "Carrinho",
    "promotion": "Promoções",
    "order": "Pedidos",
    "notification": "Mensagens",
}
"""In the order of the picture: calls flow from right to left, events both ways."""
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
CARD_WIDTH, CARD_GAP, MARGIN = 180, 16, 20


@dataclass(frozen=True)
class Card:
    """Where a context stands in the picture; ``out`` and ``back`` are its lines to the relay and from the broker."""

    name: str
    title: str
    schema: str
    local: bool
    x: int

    @property
    def text(self) -> int:
        return self.x + 16

    @property
    def right(self) -> int:
        return self.x + CARD_WIDTH - 16

    @property
    def out(self) -> int:
        return self.x + 56

    @property
    def back(self) -> int:
        return self.x + CARD_WIDTH - 56


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The page itself is static; its picture comes to life by ``status.json``."""
    topology = current()
    cards = [
        Card(name, title, topology[name].schema, topology[name].local, MARGIN + index * (CARD_WIDTH + CARD_GAP))
        for index, (name, title) in enumerate(TITLES.items())
    ]
    page = render_to_string(
        "config/home.html",
        {"cards": cards, "live": settings.STATUS_PAGE, "served": bool(topology.served)},
    )
    return HttpResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """The present state of all parts, at most a second old; 404 unless ``STATUS_PAGE`` is on."""
    if not settings.STATUS_PAGE:
        raise Http404
    return HttpResponse(codec.encode(running.latest.get()), content_type="application/json")
