"""What tests of identity share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from config.celery import app
from contexts.identity.models import User

AUTH = "/_allauth/app/v1/"
Post = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    """Rate limits count in the cache, which outlives a test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _tasks_at_once() -> Iterator[None]:
    """Run Celery tasks where they are sent."""
    app.loader.import_default_modules()
    app.conf.task_always_eager = app.conf.task_eager_propagates = True
    yield
    app.conf.task_always_eager = app.conf.task_eager_propagates = False


@pytest.fixture
def auth(client: Client) -> Post:
    """Call an endpoint of django-allauth: ``auth("auth/login", {...}, token=...)``."""

    def call(path: str, data: Any = None, *, method: str = "post", token: str = "", **headers: str) -> Any:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        arguments = [] if data is None else [data]
        return getattr(client, method)(AUTH + path, *arguments, content_type="application/json", headers=headers)

    return call


@pytest.fixture
def api(client: Client) -> Post:
    """Call our own API: ``api("me", user=ana)``; the token is a real one."""

    def call(path: str, data: Any = None, *, method: str = "get", token: str = "", user: User | None = None) -> Any:
        if user:
            token = access_token(user)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        arguments = [] if data is None else [data]
        return getattr(client, method)(f"/api/v1/{path}", *arguments, content_type="application/json", headers=headers)

    return call


def access_token(user: User) -> str:
    """Return an access token of a session that does not exist: enough for everything but the account API."""
    from allauth.headless.tokens.strategies.jwt import internal

    from contexts.identity.views.tokens import TokenStrategy

    claims = TokenStrategy().get_claims(user)
    return str(internal.create_token("access", sub=str(user.pk), sid="", claims=claims, expires_in=900)[0])
