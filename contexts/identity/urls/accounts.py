"""Addresses of django-allauth, under /_allauth/ as its own specification says; mounted by ``config.urls``."""

from allauth.headless.constants import Client
from django.urls import include, path

from contexts.identity.views.accounts import SignupView

urlpatterns = [
    path("app/v1/auth/signup", SignupView.as_api_view(client=Client.APP)),
    path("", include("allauth.headless.urls")),
]
