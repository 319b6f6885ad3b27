"""Real threads for races."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections


def in_parallel(count: int, function: Any) -> None:
    """Call ``function`` with 0, 1, … in ``count`` threads that start together; raise what the first of them raised."""
    barrier = Barrier(count)

    def run(number: int) -> None:
        barrier.wait(20)
        try:
            function(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
