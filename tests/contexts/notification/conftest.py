from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contexts.cart.interface import CartInterface
from contexts.identity.interface import IdentityInterface
from contexts.notification import usecases
from contexts.order.interface import OrderInterface
from ecommerce.testing import provide
from tests.contexts.notification.factories import NOW
from tests.contexts.notification.mail_sink import MailSink, use_smtp
from tests.contexts.notification.neighbours import Neighbours


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    fake = Neighbours()
    with provide(IdentityInterface, fake), provide(OrderInterface, fake), provide(CartInterface, fake):
        yield fake


@pytest.fixture
def templates(db: None) -> None:
    """The shipped templates, also after a test that emptied all tables."""
    usecases.install_missing_templates(now=NOW)


@pytest.fixture
def sink(settings: Any) -> Iterator[MailSink]:
    """A running SMTP server that Django sends to."""
    with MailSink().running() as sink:
        use_smtp(settings, sink.port)
        yield sink
