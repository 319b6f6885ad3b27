import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import circuitbreaker
import pytest
import redis as redis_client
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisDown
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.http import throttling
from ecommerce.http.throttling import DefaultThrottle, Rate, Scoped, client_ip, client_network, count, rates_of
from ecommerce.http.views import APIView

NOON = 1_700_000_400.0
"""A time at the start of a minute, some way into its hour."""


class Hello(APIView):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response()


class Login(APIView):
    permission_classes = ()
    throttle_classes = [DefaultThrottle, Scoped("login", by=lambda request: request.GET.get("email", ""))]

    def get(self, request: Request) -> Response:
        return Response()


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Iterator[None]:
    settings.THROTTLE_RATES = {"anon": "3/min,5/hour", "user": "4/min", "login": "2/min"}
    settings.NUM_PROXIES = 0
    cache.clear()
    yield
    cache.clear()
    throttling.shared_cache.reset()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(throttling.time, "time", clock)
    return clock


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


def get(view: type[APIView] = Hello, ip: str = "10.0.0.1", query: str = "", **headers: str) -> Any:
    return view.as_view()(APIRequestFactory().get(f"/api/v1/x{query}", headers=headers, REMOTE_ADDR=ip))


def test_a_guest_is_stopped_at_the_limit_and_told_when_to_come_back(clock: Clock) -> None:
    clock.now += 20
    statuses = [get().status_code for _ in range(4)]
    refused = get()

    assert statuses == [200, 200, 200, 429]
    assert (refused["Retry-After"], refused.data["retry_after"], refused.data["code"]) == ("40", 40, "throttled")
    assert refused["RateLimit-Remaining"] == "0"


def test_the_next_minute_is_a_new_one_but_the_hour_goes_on(clock: Clock) -> None:
    for _ in range(3):
        get()
    clock.now += 60

    assert [get().status_code for _ in range(3)] == [200, 200, 429]


def test_headers_show_the_window_that_ends_first() -> None:
    response = get()

    assert (response["RateLimit-Limit"], response["RateLimit-Remaining"], response["RateLimit-Reset"]) == (
        "3",
        "2",
        "60",
    )


def test_addresses_are_counted_apart() -> None:
    for _ in range(4):
        get()

    assert get(ip="10.0.0.2").status_code == 200


def test_one_customer_is_counted_whatever_the_address(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    bearer = {"Authorization": f"Bearer {token()}"}

    assert [get(ip=f"10.0.0.{n}", **bearer).status_code for n in range(5)] == [200, 200, 200, 200, 429]


def test_a_login_is_limited_by_address_and_by_account() -> None:
    assert [get(Login, query="?email=a@b.c").status_code for _ in range(3)] == [200, 200, 429]
    assert get(Login, ip="10.0.0.9", query="?email=A@b.c ").status_code == 429
    assert get(Login, ip="10.0.0.9", query="?email=other@b.c").status_code == 200


def test_several_limits_show_the_nearest() -> None:
    assert get(Login)["RateLimit-Limit"] == "2"


def test_an_empty_rate_is_no_limit(settings: Settings) -> None:
    settings.THROTTLE_RATES = {"anon": ""}

    assert "RateLimit-Limit" not in get()
    assert {get().status_code for _ in range(9)} == {200}


def test_rates_are_read_as_they_are_written() -> None:
    assert rates_of("100/min, 1000/hour") == (Rate(100, 60), Rate(1000, 3600))
    assert rates_of("") == ()
    for wrong in ("100", "x/min", "100/fortnight", "-1/min"):
        with pytest.raises(ImproperlyConfigured):
            rates_of(wrong)


def test_the_shop_sells_without_limits_while_the_cache_is_down_and_asks_it_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def down(*_: Any) -> Any:
        asked.append(1)
        raise RedisDown

    with monkeypatch.context() as patch:
        patch.setattr(throttling, "_increment", down)
        assert [get().status_code for _ in range(6)] == [200] * 6
        assert len(asked) == 1

    now = monotonic()
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now + 2)
    assert [get().status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "10.0.0.1"),
        (1, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        (2, "9.9.9.9, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1", "1.1.1.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_only_our_own_proxies_are_believed(settings: Settings, proxies: int, forwarded: str, expected: str) -> None:
    settings.NUM_PROXIES = proxies

    assert client_ip(RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)) == expected


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("<script>", "unknown"),
    ],
)
def test_one_ipv6_customer_is_one_client(address: str, network: str) -> None:
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == network


@pytest.fixture
def redis(settings: Settings) -> Iterator[redis_client.Redis]:
    url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
    client = redis_client.Redis.from_url(url, socket_connect_timeout=1)
    try:
        client.ping()
    except RedisDown:
        pytest.skip(f"no Redis at {url}")
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def test_redis_counts_exactly_and_forgets_when_the_window_ends(redis: redis_client.Redis) -> None:
    rates = [Rate(1000, 60), Rate(5000, 3600)]
    with ThreadPoolExecutor(8) as pool:
        standings = list(pool.map(lambda _: count(["x"], rates, now=NOON), range(200)))

    assert sorted(minute.remaining for minute, _ in standings) == list(range(800, 1000))
    assert sorted(hour.remaining for _, hour in standings) == list(range(4800, 5000))
    assert sorted(round(redis.ttl(key), -1) for key in redis.scan_iter()) == [60, 3600]


def test_one_request_is_one_round_trip_to_redis(redis: redis_client.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    pack = redis_client.connection.AbstractConnection.send_packed_command
    count(["x"], [Rate(10, 60)], now=NOON)
    monkeypatch.setattr(
        redis_client.connection.AbstractConnection,
        "send_packed_command",
        lambda self, *args, **kwargs: (sent.append(1), pack(self, *args, **kwargs))[1],
    )

    count(["a", "b"], [Rate(10, 60), Rate(10, 3600)], now=NOON)

    assert sent == [1]


ASK = """
import django
from django.conf import settings
django.setup()
settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": %(url)r}}
from ecommerce.http.throttling import Rate, count
standings = [count(["x"], [Rate(100, 60), Rate(1000, 3600)], now=%(now)r) for _ in range(90)]
print(sum(all(one.remaining >= 0 for one in each) for each in standings))
"""


def test_two_processes_together_get_no_more_than_the_limit(redis: redis_client.Redis, settings: Settings) -> None:
    url = settings.CACHES["default"]["LOCATION"]
    program = [sys.executable, "-c", ASK % {"url": url, "now": NOON}]
    processes = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    allowed = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(allowed) == 100


@pytest.mark.parametrize(("scope", "seconds"), [("anon", 60), ("anon", 3600), ("user", 60), ("user", 3600)])
def test_a_hundred_a_minute_and_a_thousand_an_hour_unless_somebody_says_otherwise(scope: str, seconds: int) -> None:
    limit = {60: 100, 3600: 1000}[seconds]
    from config.settings.base import THROTTLE_RATES

    rates = rates_of(THROTTLE_RATES[scope])

    standings = [count([f"default-{scope}-{seconds}"], rates, now=NOON + n * 60) for n in range(10) for _ in range(100)]
    beyond = count([f"default-{scope}-{seconds}"], rates, now=NOON + (0 if seconds == 60 else 600))

    assert Rate(limit, seconds) in rates
    assert min(one.remaining for each in standings for one in each) >= 0
    assert min(one.remaining for one in beyond) < 0


def test_counting_is_exact_under_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        standings = list(pool.map(lambda _: count(["x"], [Rate(1000, 60)], now=NOON)[0].remaining, range(200)))

    assert sorted(standings) == list(range(800, 1000))
