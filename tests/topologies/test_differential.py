"""The same purchases, in one process and in six services: every book of every context ends the same.

``SEED`` and ``PURCHASES`` choose what is bought. It takes minutes, so it is run by ``make differential`` alone.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ecommerce.inbox.registry import handlers
from tests.e2e.replay import books
from tests.e2e.replay.books import Books
from tests.e2e.stack import Shape, running
from tests.topologies.ledgers import Ledgers, differences, ledgers
from tests.topologies.purchases import playing

SEED = int(os.environ.get("SEED") or 20261128)
PURCHASES = int(os.environ.get("PURCHASES") or 0)
SETTLE_SECONDS = 180.0
POLL_SECONDS = 0.3
WAITING = "SELECT count(*) FROM {schema}.saga_instance WHERE status = 'WAITING'"
Outcome = tuple[list[tuple[object, ...]], Ledgers]
"""What the shop answered, and its books."""


def played(shape: Shape) -> Outcome:
    """Play all purchases in an installation of its own, until nothing moves any more."""
    with (
        running(demo=True, web_workers=1, shape=shape) as stack,
        books.opened(stack.environment, stack.var_dir) as opened,
    ):
        with playing(stack, SEED, partial(await_rest, opened)) as player:
            for number in range(PURCHASES):
                player.play(number)
        stack.manage("rebuild_catalog")
        return player.answers, ledgers(opened)


def await_rest(opened: Books, *, unpaid: bool = False) -> None:
    """Wait until no event, saga, webhook or message is under way; ``unpaid`` sagas may wait for a payment."""
    subscriptions = {handler.name: handler.event.type for handler in handlers()}
    deadline = time.monotonic() + SETTLE_SECONDS
    while moving := Counter(opened.unsettled(subscriptions)) - Counter(sagas=opened.number("order", WAITING) * unpaid):
        assert time.monotonic() < deadline, f"still moving after {SETTLE_SECONDS:.0f} s: {moving}"
        time.sleep(POLL_SECONDS)


@pytest.mark.skipif(not PURCHASES, reason="`make differential` runs it")
@pytest.mark.timeout(1500)
def test_one_process_and_six_services_end_with_the_same_books() -> None:
    with ThreadPoolExecutor(2) as both:
        (answers, one), (others, six) = both.map(played, (Shape.ONE, Shape.SERVICES))

    assert others == answers
    assert one["order.orders"].total() >= PURCHASES * 8 // 10
    found = differences(one, six)
    assert not found, f"{len(found)} rows differ:\n" + "\n".join(row[:400] for row in found[:50])
