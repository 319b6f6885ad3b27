"""What tests of the platform's admin pages share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from tests.contexts.identity.factories import UserFactory


def logged_in(*permissions: str, **values: Any) -> Client:
    """Return the browser of somebody who works here, with permissions such as ``saga.view_sagainstance``."""
    user = UserFactory(is_staff=True, **values)
    for permission in permissions:
        label, _, name = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=name))
    client = Client()
    client.force_login(user)
    return client


def url(page: str, *args: object, **query: str) -> str:
    return reverse(f"admin:{page}", args=args) + (f"?{urlencode(query)}" if query else "")


def text_of(answer: Any) -> str:
    """Return the words of a page without its markup."""
    return " ".join(strip_tags(answer.content.decode()).split())


def rows_of(answer: Any) -> list[Any]:
    return list(answer.context["cl"].result_list)


@contextmanager
def statements(alias: str) -> Iterator[list[str]]:
    """Collect the statements on one database."""
    collected: list[str] = []
    with CaptureQueriesContext(connections[alias]) as captured:
        yield collected
    collected += [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
