"""Callers of the REST interface, a count of statements, and threads that start together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connections
from rest_framework.test import APIClient

from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id

UNKNOWN = UUID("0199c7a1-4be0-7d5c-9a52-000000000000")
"""An id that nothing has."""


def names(response: Any) -> list[str]:
    """Return the names of the products in a list."""
    assert response.status_code == 200, response.content
    return [product["name"] for product in orjson.loads(response.content)["results"]]


def problem(response: Any, status: int) -> dict[str, Any]:
    """Return the body of an answer that has to have this status."""
    assert response.status_code == status, response.content
    body: dict[str, Any] = orjson.loads(response.content)
    return body


@pytest.fixture
def api() -> APIClient:
    """A guest."""
    return APIClient()


@pytest.fixture
def as_customer() -> Callable[..., APIClient]:
    def login(customer_id: UUID | None = None) -> APIClient:
        client = APIClient()
        client.force_authenticate(Principal(id=customer_id or new_id(), email="ana@example.com"))
        return client

    return login


@pytest.fixture
def staff() -> Callable[..., APIClient]:
    """Log in somebody who works here, with these scopes."""

    def login(*scopes: str) -> APIClient:
        client = APIClient()
        client.force_authenticate(Principal(id=new_id(), is_staff=True, scopes=frozenset(scopes)))
        return client

    return login


@pytest.fixture
def together() -> Callable[..., list[Any]]:
    """Run functions at the same moment, a thread each; return what each returned or raised."""

    def run(functions: Sequence[Callable[[], Any]]) -> list[Any]:
        barrier = threading.Barrier(len(functions))

        def one(function: Callable[[], Any]) -> Any:
            barrier.wait(timeout=30)
            try:
                return function()
            except Exception as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(one, functions))

    return run
