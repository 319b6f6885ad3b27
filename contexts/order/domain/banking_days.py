"""Days on which Brazilian banks move money. Pure.

Source: Conselho Monetário Nacional, Resolução 4.880/2020: no banking days are Saturdays, Sundays, national holidays and
the Monday and Tuesday of Carnival, Good Friday and Corpus Christi. The year's last one is none here either: banks serve
nobody, and what falls due may be paid in January (FEBRABAN). Holidays of a state or a town close branches, not the
clearing, and do not count. The dates come from the package ``holidays``.
"""

from datetime import date, datetime, time, timedelta
from functools import cache

from holidays import OPTIONAL, PUBLIC, country_holidays

from ecommerce.clock import BRASILIA

OPTIONAL_FOR_OTHERS = ("Carnaval", "Corpus Christi")
"""Days that a law leaves to each employer and on which banks are closed; on others of that kind they are open."""
SATURDAY = 5


def is_banking_day(day: date) -> bool:
    return day.weekday() < SATURDAY and day not in _closed(day.year)


def on_or_after(day: date) -> date:
    """Return the first banking day from ``day`` on: what falls due on a holiday may be paid then."""
    while not is_banking_day(day):
        day += timedelta(days=1)
    return day


def after(day: date, count: int) -> date:
    """Return the banking day that is ``count`` banking days after ``day``; with 0, the first from ``day`` on."""
    day = on_or_after(day)
    for _ in range(count):
        day = on_or_after(day + timedelta(days=1))
    return day


def day_of(moment: datetime) -> date:
    """Return the day that ``moment`` belongs to where the banks are."""
    return moment.astimezone(BRASILIA).date()


def cleared_by(due: date, days: int) -> datetime:
    """Return when a boleto that was paid on its last day has surely been reported: banks take ``days`` banking days.

    Due on a holiday, it may be paid on the banking day after without anything on top (Lei 7.089/1983).
    """
    return datetime.combine(after(due, days) + timedelta(days=1), time(), BRASILIA)


@cache
def _closed(year: int) -> frozenset[date]:
    """Return the holidays of a year on which banks are closed, those on weekends included."""
    national = country_holidays("BR", years=year, categories=PUBLIC, language="pt_BR", observed=False)
    optional = country_holidays("BR", years=year, categories=OPTIONAL, language="pt_BR", observed=False)
    closed = {*national, *(day for day, name in optional.items() if name in OPTIONAL_FOR_OTHERS)}
    last = date(year, 12, 31)
    while last.weekday() >= SATURDAY:
        last -= timedelta(days=1)
    return frozenset({*closed, last})
