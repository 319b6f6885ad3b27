import pytest
from django.db import connections
from prometheus_client import REGISTRY

from ecommerce.observability import pools


class Pool:
    """Only what a pool says of itself."""

    def __init__(self) -> None:
        self.figures: dict[str, int] = {}

    def get_stats(self) -> dict[str, int]:
        return dict(self.figures)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(type(connections["cart"]), "_connection_pools", {"cart": made})
    monkeypatch.setattr(pools, "_told", {})
    return made


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"alias": "cart", **labels}) or 0.0


def test_a_pool_tells_its_size_its_use_and_who_waits(pool: Pool) -> None:
    pool.figures = {"pool_size": 5, "pool_available": 2, "pool_max": 16, "requests_waiting": 1}
    pools.tell_now()

    assert sample("db_pool_connections", state="in_use") == 3
    assert sample("db_pool_connections", state="idle") == 2
    assert sample("db_pool_limit") == 16
    assert sample("db_pool_waiting") == 1


def test_waits_and_time_outs_are_counted_on_over_a_pool_that_was_opened_anew(pool: Pool) -> None:
    before = sample("db_pool_waits_total"), sample("db_pool_timeouts_total")
    for figures in ({"requests_queued": 4, "requests_errors": 1}, {"requests_queued": 6, "requests_errors": 1}, {}):
        pool.figures = figures
        pools.tell_now()
    pool.figures = {"requests_queued": 1}
    pools.tell_now()

    assert (sample("db_pool_waits_total"), sample("db_pool_timeouts_total")) == (before[0] + 7, before[1] + 1)


def test_a_real_pool_has_the_figures_that_are_asked_for() -> None:
    from psycopg_pool import ConnectionPool

    real = ConnectionPool("dbname=nowhere", min_size=0, max_size=3, open=False)

    assert {"pool_max", "pool_size", "pool_available", "requests_waiting"} <= real.get_stats().keys()


def test_it_is_told_every_few_seconds_however_often_it_is_asked(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[None] = []
    monkeypatch.setattr(pools, "tell_now", lambda: told.append(None))
    monkeypatch.setattr(pools, "_told_at", -1000.0)
    for _ in range(3):
        pools.tell()

    assert len(told) == 1
