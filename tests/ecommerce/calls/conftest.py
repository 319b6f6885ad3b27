"""Two sides of a call in one process, with a real socket between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from ecommerce.calls import keys, providers, remote
from ecommerce.calls.client import connect
from ecommerce.topology import Topology
from tests.ecommerce.calls.parcels import ParcelInterface, Post
from tests.ecommerce.calls.servers import Answer, Application, Scripted, serving

ISSUER = "cart+notification+order"
"""A service that runs all callers, so that it may call everything."""


@pytest.fixture
def service_keys(tmp_path: Path, settings: Any) -> Path:
    """The keys of this process, which is both sides, made for the service ``ISSUER``; others are known, too."""
    directory = tmp_path / "keys"
    keys.create(directory, [ISSUER, "cart", "order"])
    settings.SERVICE_ISSUER = ISSUER
    settings.SERVICE_KEYS_DIR = str(directory / ISSUER)
    return directory


@pytest.fixture
def at(settings: Any, service_keys: Path) -> Iterator[Callable[[str], None]]:
    """Let every context run elsewhere, at a URL."""
    before = configured.TOPOLOGY

    def move(url: str) -> None:
        settings.TOPOLOGY = Topology(tuple(replace(each, local=not url, url=url) for each in before.contexts))

    remote.forget_neighbours()
    yield move
    remote.forget_neighbours()


@pytest.fixture
def application(at: Callable[[str], None], settings: Any) -> Iterator[Application]:
    """This process as the other service, too."""
    settings.ROOT_URLCONF = "tests.ecommerce.calls.urls"
    with serving(Application()) as server:
        at(server.url)
        yield server


@pytest.fixture
def scripted(at: Callable[[str], None]) -> Iterator[Callable[..., Scripted]]:
    """Start a service that gives these answers."""
    with ExitStack() as stack:

        def start(*answers: Answer) -> Scripted:
            server: Scripted = stack.enter_context(serving(Scripted(answers)))
            at(server.url)
            return server

        yield start


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    """The provider of the toy interface on the other side."""
    provider = Post()
    monkeypatch.setitem(providers._providers, ParcelInterface, provider)
    return provider


@pytest.fixture
def parcels() -> ParcelInterface:
    """The toy interface as its callers have it."""
    return connect(ParcelInterface)
