from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ecommerce.saga.history import PastStep
from ecommerce.saga.timeline import bars, duration, pending

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


def attempt(name: str, begun: float, ended: float | None, outcome: str = "DONE") -> PastStep:
    """An attempt that began and ended so many seconds after noon."""
    return PastStep(
        saga_id=UUID(int=1), saga_type="TOY", name=name, direction="ida", status=outcome.lower(), outcome=outcome,
        is_undo=False, detail="", ran_by="worker", started_at=NOON + timedelta(seconds=begun),
        finished_at=None if ended is None else NOON + timedelta(seconds=ended),
    )  # fmt: skip


def test_bars_follow_one_another_on_an_axis_of_working_time() -> None:
    first, second, third = bars([attempt("a", 0, 1), attempt("b", 1, 1.5), attempt("c", 1.5, 2)])
    assert (first.left, first.width) == (0, 50)
    assert (second.left, second.width) == (50, 25)
    assert (third.left, third.width) == (75, 25)
    assert [bar.before for bar in (first, second, third)] == [None, None, None]


def test_a_pause_of_days_takes_no_room_and_says_why() -> None:
    steps = [attempt("a", 0, 0.3, "WAITING"), attempt("a", 200_000, 200_000.1)]
    first, second = bars(steps)
    assert (first.width, second.left, second.width) == (pytest.approx(75), pytest.approx(75), pytest.approx(25))
    assert second.before is not None
    assert (second.before.why, second.before.length) == ("esperou", "2 d 7 h")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("STARTED", "interrompida, até que outro processo a assumiu"),
        ("PARKED", "esperou uma pessoa"),
        ("FAILED", "pausa antes de outra tentativa"),
        ("UNKNOWN", "pausa antes de perguntar de novo"),
        ("RETRY", "pausa"),
    ],
)
def test_a_pause_is_explained_by_what_was_before_it(outcome: str, why: str) -> None:
    _, second = bars([attempt("a", 0, None if outcome == "STARTED" else 0.1, outcome), attempt("a", 9, 9.1)])
    assert second.before is not None
    assert second.before.why == why


def test_every_bar_is_seen_and_stays_on_the_axis() -> None:
    steps = [attempt("a", 0, 100), attempt("b", 100, 100.001), attempt("b", 100.0005, 100.002), attempt("c", 101, None)]
    for bar in bars(steps):
        assert bar.width > 0.5
        assert 0 <= bar.left <= bar.left + bar.width <= 100.001
    assert bars(steps)[-1].length == "–"


def test_decisions_that_take_no_time_are_drawn_too() -> None:
    [only] = bars([attempt("a", 0, 0, "RESOLVED")])
    assert only.width > 0
    assert bars([]) == []


def test_a_pause_that_is_not_over_tells_when_it_will_be() -> None:
    pause = pending(attempt("a", 0, 1, "UNKNOWN"), NOON + timedelta(seconds=61))
    assert (pause.why, pause.length, pause.until) == (
        "pausa antes de perguntar de novo", "1 min 0 s", NOON + timedelta(seconds=61),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"), (0.0124, "12 ms"), (1.43, "1,4 s"), (59.9, "59,9 s"), (200, "3 min 20 s"),
        (3_700, "1 h 1 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_durations_are_said_by_their_largest_units(seconds: float, said: str) -> None:
    assert duration(timedelta(seconds=seconds)) == said
