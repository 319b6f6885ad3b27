"""What the gateways' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_psp.testing import Receiver, free_port, receiving


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Where a server's webhooks arrive."""
    with receiving() as receiver:
        yield receiver
