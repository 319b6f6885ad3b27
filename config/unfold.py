"""The look of the admin, and its sidebar: one group per context, filled with whatever is registered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

GROUPS = {
    "order": ("Pedidos", "receipt_long"),
    "catalog": ("Catálogo", "inventory_2"),
    "cart": ("Carrinhos", "shopping_cart"),
    "promotion": ("Promoções", "sell"),
    "notification": ("Mensagens", "mail"),
    "identity": ("Clientes e equipe", "group"),
}
"""The contexts in the order of daily work, with their titles and icons."""
PLATFORM = ("Plataforma", "hub")
PLATFORM_APPS = ("saga", "outbox", "inbox", "http")
ACCOUNTS_APPS = ("auth", "account", "mfa", "socialaccount", "sessions", "admin")
"""Third-party apps that keep accounts: shown with identity."""


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: the models that this person may see, grouped by context."""
    from django.contrib import admin

    listed = {app["app_label"]: app["models"] for app in admin.site.get_app_list(request)}
    groups: dict[str, list[dict[str, Any]]] = {label: listed.pop(label, []) for label in GROUPS}
    for label in ACCOUNTS_APPS:
        groups["identity"] += listed.pop(label, [])
    platform = [model for label in PLATFORM_APPS for model in listed.pop(label, [])]
    rest = [model for models in listed.values() for model in models]
    titled = [(*GROUPS[label], models) for label, models in groups.items()]
    if request.user.has_perm("outbox.view_outboxevent"):
        platform.insert(0, {"name": "Eventos", "admin_url": reverse("events")})
    grouped = [_group(*group) for group in [*titled, (*PLATFORM, platform + rest)]]
    return [group for group in grouped if group["items"]]


def _group(title: str, icon: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    items = [
        {"title": str(model["name"]), "link": model["admin_url"], "icon": icon}
        for model in models
        if model["admin_url"]
    ]
    return {"title": title, "separator": True, "collapsible": True, "items": items}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Loja",
    "SITE_HEADER": "Loja",
    "SITE_SUBHEADER": "Retaguarda",
    "SITE_SYMBOL": "storefront",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("config/icon.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 180)",
            "100": "oklch(95.3% .035 180)",
            "200": "oklch(91% .07 180)",
            "300": "oklch(85.5% .105 181)",
            "400": "oklch(77.7% .125 182)",
            "500": "oklch(70.4% .125 182)",
            "600": "oklch(60% .108 184)",
            "700": "oklch(51.1% .09 186)",
            "800": "oklch(43.7% .074 188)",
            "900": "oklch(38.6% .06 188)",
            "950": "oklch(27.7% .045 192)",
        },
    },
    "SIDEBAR": {"show_search": True, "command_search": True, "show_all_applications": False, "navigation": sidebar},
}
