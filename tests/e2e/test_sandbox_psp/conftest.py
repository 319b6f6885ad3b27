"""One server for all of these tests; the tests that need flags or a crash start their own."""

from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox_psp.testing import Receiver, Sandbox, receiving, running


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with running(hang_seconds=1.0) as server:
        yield server


@pytest.fixture
def psp(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with sandbox.client() as client:
        client.delete("/control/behaviour")
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server
