"""Where services reach each other, as ``config.urls`` has it in a process with service keys."""

from django.urls import include, path

urlpatterns = [path("internal/", include("ecommerce.calls.urls"))]
