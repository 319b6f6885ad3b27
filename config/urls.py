"""Every address of this process. A context's routes exist where the context runs."""

from csp.decorators import csp_replace
from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from ecommerce.http import errors
from ecommerce.http.views import SchemaView, jwks_document
from ecommerce.topology import current

Route = URLPattern | URLResolver

handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500

accounts: list[Route] = []
if settings.ACCOUNTS:
    accounts = [path("accounts/", include("allauth.urls"))]
    if current().served:
        accounts.append(path("_allauth/", include("contexts.identity.urls.accounts")))

back_office: list[Route] = []
if settings.BACK_OFFICE:
    from config import event_pages, replay_page, views

    documented = csp_replace(settings.CSP_DOCUMENTATION)
    back_office = [
        path("", views.home, name="home"),
        path("status.json", views.status, name="status"),
        path("api/schema/", SchemaView.as_view(), name="schema"),
        path("api/docs/", documented(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="docs"),
        path("admin", RedirectView.as_view(pattern_name="admin:index")),
        path("admin/eventos/", admin.site.admin_view(event_pages.events), name="events"),
        path("admin/eventos/figures.json", admin.site.admin_view(event_pages.figures), name="events-figures"),
        path("admin/inbox/replayrun/add/", admin.site.admin_view(replay_page.replay), name="replay"),
        path("admin/", admin.site.urls),
        *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
    ]

internal: list[Route] = [path("internal/", include("ecommerce.calls.urls"))] if settings.SERVICE_KEYS_DIR else []
"""For other services, never for a gateway. A process without service keys has none."""

urlpatterns: list[Route] = [
    *([path("", include("config.api_urls"))] if current().served else []),
    *back_office,
    re_path(r"^api/(?P<path>.*)$", errors.no_such_endpoint),
    path("", include("ecommerce.observability.urls")),
    path(".well-known/jwks.json", jwks_document, name="jwks"),
    *accounts,
    *internal,
]
