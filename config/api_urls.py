"""The REST API of the local contexts: what this process serves, or, in the back office, only describes."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from ecommerce.topology import current

contexts: list[URLPattern | URLResolver] = [
    path("", include(f"{context.app}.urls")) for context in current().local if find_spec(f"{context.app}.urls")
]

urlpatterns: list[URLPattern | URLResolver] = [path("api/v1/", include(contexts))]
