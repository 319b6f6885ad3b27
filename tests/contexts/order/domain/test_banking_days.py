from datetime import UTC, date, datetime, timedelta

import pytest

from contexts.order.domain import banking_days
from tests.vectors import BRAZIL


@pytest.mark.parametrize("published", BRAZIL["holidays"], ids=lambda published: str(published["year"]))
def test_banks_are_closed_on_the_published_days_and_on_no_other(published):
    holidays = {date.fromisoformat(day) for day in published["days"]}
    year = [date(published["year"], 1, 1) + timedelta(days=count) for count in range(365)]
    weekdays = [day for day in year if day.weekday() < 5]
    closed = {day for day in weekdays if not banking_days.is_banking_day(day)}
    last = max(set(weekdays) - holidays)
    assert closed == {day for day in holidays if day.weekday() < 5} | {last}
    assert not any(banking_days.is_banking_day(day) for day in year if day.weekday() >= 5)


@pytest.mark.parametrize(
    ("day", "first"),
    [
        ("2026-02-13", "2026-02-13"),  # a Friday
        ("2026-02-14", "2026-02-18"),  # the weekend before Carnival; banks open at noon on Ash Wednesday
        ("2026-04-03", "2026-04-06"),  # Good Friday
        ("2026-07-09", "2026-07-09"),  # a holiday of São Paulo only
        ("2026-10-28", "2026-10-28"),  # civil servants' day off
        ("2026-12-24", "2026-12-24"),
        ("2026-12-31", "2027-01-04"),  # nobody is served, then a holiday and a weekend
    ],
)
def test_what_falls_due_on_a_holiday_may_be_paid_on_the_next_banking_day(day, first):
    assert banking_days.on_or_after(date.fromisoformat(day)) == date.fromisoformat(first)


@pytest.mark.parametrize(
    ("day", "count", "then"),
    [
        ("2026-11-23", 0, "2026-11-23"),
        ("2026-11-23", 3, "2026-11-26"),
        ("2026-11-19", 1, "2026-11-23"),  # over the 20th, a holiday since 2024
        ("2023-11-19", 1, "2023-11-21"),  # in 2023 it was none
        ("2026-02-14", 1, "2026-02-19"),  # from a Saturday: due on Ash Wednesday, cleared on the day after
    ],
)
def test_days_are_counted_by_banks(day, count, then):
    assert banking_days.after(date.fromisoformat(day), count) == date.fromisoformat(then)


@pytest.mark.parametrize(
    ("due", "days", "cleared"),
    [
        ("2026-11-23", 0, "2026-11-24T03:00"),  # until midnight in Brasília
        ("2026-11-21", 3, "2026-11-27T03:00"),  # a Saturday: paid on Monday, reported until Thursday
        ("2026-02-13", 2, "2026-02-20T03:00"),  # before Carnival
        ("2018-11-05", 0, "2018-11-06T02:00"),  # in the last year of summer time
    ],
)
def test_a_boleto_is_reported_within_banking_days_of_the_last_on_which_it_could_be_paid(due, days, cleared):
    then = banking_days.cleared_by(date.fromisoformat(due), days)
    assert then == datetime.fromisoformat(cleared).replace(tzinfo=UTC)


def test_a_moment_belongs_to_the_day_in_brasilia():
    assert banking_days.day_of(datetime(2026, 11, 24, 2, 59, tzinfo=UTC)) == date(2026, 11, 23)
