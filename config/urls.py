"""Every address of this process. A context's routes exist where the context runs."""

from importlib.util import find_spec

from csp.decorators import csp_replace
from django.apps import apps
from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from config import views
from ecommerce.http import errors
from ecommerce.http.views import SchemaView, jwks_document
from ecommerce.topology import current

Route = URLPattern | URLResolver

handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500

documented = csp_replace(settings.CSP_DOCUMENTATION)
contexts: list[Route] = [
    path("", include(f"{context.app}.urls")) for context in current().local if find_spec(f"{context.app}.urls")
]

back_office: list[Route] = []
if apps.is_installed("django.contrib.admin"):
    from config import event_pages, replay_page

    back_office = [
        path("_allauth/", include("contexts.identity.urls.accounts")),
        path("accounts/", include("allauth.urls")),
        path("admin", RedirectView.as_view(pattern_name="admin:index")),
        path("admin/eventos/", admin.site.admin_view(event_pages.events), name="events"),
        path("admin/eventos/figures.json", admin.site.admin_view(event_pages.figures), name="events-figures"),
        path("admin/inbox/replayrun/add/", admin.site.admin_view(replay_page.replay), name="replay"),
        path("admin/", admin.site.urls),
    ]

urlpatterns: list[Route] = [
    path("", views.home, name="home"),
    path("status.json", views.status, name="status"),
    path("api/v1/", include(contexts)),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", documented(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="docs"),
    re_path(r"^api/(?P<path>.*)$", errors.no_such_endpoint),
    path("", include("ecommerce.observability.urls")),
    path(".well-known/jwks.json", jwks_document, name="jwks"),
    *back_office,
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
