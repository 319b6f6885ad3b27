"""Threads of a worker: seen to be alive by what they do, not by their existence."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ecommerce.messaging.threads import Supervised

Start = Callable[[Callable[[threading.Event], None]], Supervised]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Supervised] = []

    def make(target: Callable[[threading.Event], None]) -> Supervised:
        started.append(Supervised("test", target))
        started[-1].start()
        return started[-1]

    yield make
    for thread in started:
        thread.stop()
    for thread in started:
        thread.join(timeout=10)


def await_health(thread: Supervised, well: bool, *, within: float = 5.0) -> None:
    deadline = time.monotonic() + 30
    while thread.is_well(within=within) is not well:
        assert time.monotonic() < deadline, f"not {'well' if well else 'unwell'} in time"
        time.sleep(0.01)


def test_a_thread_that_looks_whether_to_stop_is_well_and_one_that_ended_is_not(start: Start) -> None:
    thread = start(lambda stop: None if stop.wait(60) else None)

    await_health(thread, well=True)
    thread.stop()
    thread.join(timeout=10)
    assert not thread.is_well(within=5.0)


def test_a_thread_that_hangs_is_not(start: Start) -> None:
    hanging = threading.Event()

    def hang(stop: threading.Event) -> None:
        stop.is_set()
        hanging.wait(30)

    thread = start(hang)
    await_health(thread, well=True)
    await_health(thread, well=False, within=0.2)
    hanging.set()


def test_a_thread_that_fails_is_not_until_it_works_again(start: Start) -> None:
    broken = threading.Event()

    def work(stop: threading.Event) -> None:
        while not stop.wait(0.01):
            if broken.is_set():
                raise ConnectionError("no database")

    thread = start(work)
    await_health(thread, well=True)
    broken.set()
    await_health(thread, well=False, within=60)
    broken.clear()
    await_health(thread, well=True)
