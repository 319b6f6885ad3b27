"""Rate limits: fixed windows counted in the cache, per customer or per address.

With a cache that processes share (Redis) the limits hold for the whole installation, else for each process. When Redis
is down nobody is limited: a shop that sells without limits is better than one that does not sell. It is asked again
after two seconds, so that not every request waits for it.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

import structlog
from circuitbreaker import CircuitBreaker
from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache, caches
from django.core.cache.backends.redis import RedisCache
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ecommerce.http.authentication import principal_of

if TYPE_CHECKING:
    from rest_framework.views import APIView

logger = structlog.get_logger(__name__)
shared_cache = CircuitBreaker(1, recovery_timeout=2, expected_exception=RedisError, name="cache of rate limits")
PERIODS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600, "day": 86400, "d": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands in one window; ``remaining`` is negative once it asks too often."""

    limit: int
    remaining: int
    reset: int
    """Seconds until the window ends."""


@lru_cache(maxsize=64)
def rates_of(text: str) -> tuple[Rate, ...]:
    """Read rates such as ``100/min,1000/hour``; an empty text is no limit.

    Raises:
        ImproperlyConfigured: it is written in another way.
    """
    rates = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        limit, _, period = part.partition("/")
        if not limit.isdigit() or period not in PERIODS:
            raise ImproperlyConfigured(f"{part!r} is not a rate like 100/min")
        rates.append(Rate(int(limit), PERIODS[period]))
    return tuple(rates)


class Throttle(BaseThrottle):
    """Counts every request of a client under ``scope``, a key of the ``THROTTLE_RATES`` setting."""

    def __init__(self) -> None:
        self._wait = 0

    def identify(self, request: Request) -> tuple[str, list[str]]:
        """Return the scope and whom to count: each name is counted on its own."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        self._wait = seconds_to_wait(*self.identify(request), view.headers)
        return not self._wait

    def wait(self) -> float | None:
        return self._wait or None


class DefaultThrottle(Throttle):
    """By account for customers (``user``), by address for guests (``anon``)."""

    def identify(self, request: Request) -> tuple[str, list[str]]:
        principal = principal_of(request)
        if principal.is_authenticated:
            return "user", [str(principal.id)]
        return "anon", [client_network(request)]


class Scoped(Throttle):
    """A stricter limit for some views, always by address and, if ``by`` gives a name, by that name as well.

    Goes into ``throttle_classes`` as it is: ``[DefaultThrottle, Scoped("login", by=lambda request: …)]``.
    """

    def __init__(self, scope: str, *, by: Callable[[Request], str] | None = None) -> None:
        super().__init__()
        self.scope = scope
        self.by = by

    def __call__(self) -> Scoped:
        return Scoped(self.scope, by=self.by)

    def identify(self, request: Request) -> tuple[str, list[str]]:
        name = self.by(request) if self.by else ""
        return self.scope, [client_network(request), *([f"name:{name.strip().lower()}"] if name else [])]


def seconds_to_wait(scope: str, names: Sequence[str], headers: MutableMapping[str, str]) -> int:
    """Count one request of each of ``names`` under ``scope``; return 0 if it may pass, else when to come back.

    Sets the ``RateLimit-*`` headers.
    """
    rates = rates_of(settings.THROTTLE_RATES.get(scope, ""))
    if not rates:
        return 0
    if shared_cache.opened:
        return 0
    try:
        with shared_cache:
            standings = count([f"{scope}:{name}" for name in names], rates, now=time.time())
    except RedisError:
        logger.exception("throttle_without_cache", scope=scope)
        return 0
    _publish(headers, standings)
    return max((standing.reset for standing in standings if standing.remaining < 0), default=0)


def count(names: Sequence[str], rates: Sequence[Rate], *, now: float) -> list[Standing]:
    """Count one request of each of ``names`` in the present window of each rate, and return how they stand."""
    windows = [(f"throttle:{name}:{rate.seconds}:{int(now // rate.seconds)}", rate) for name in names for rate in rates]
    totals = _increment([(key, rate.seconds) for key, rate in windows])
    return [
        Standing(rate.limit, rate.limit - total, ceil(rate.seconds - now % rate.seconds))
        for (_, rate), total in zip(windows, totals, strict=True)
    ]


def client_ip(request: HttpRequest | Request) -> str:
    """Return the address of the client.

    Every one of the ``NUM_PROXIES`` proxies of ours appends the address it was called from to ``X-Forwarded-For``;
    what stands before those entries is the client's own claim and is ignored.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.NUM_PROXIES
    if proxies == 0:
        return peer
    forwarded = [address.strip() for address in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    return forwarded[-min(proxies, len(forwarded))] or peer


def client_network(request: HttpRequest | Request) -> str:
    """Return what to count an anonymous client by: its IPv4 address, or the /64 that one IPv6 customer owns."""
    return _network(client_ip(request))


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)


def _publish(headers: MutableMapping[str, str], standings: Sequence[Standing]) -> None:
    """Set the ``RateLimit-*`` headers for the window that this client will exhaust first."""
    worst = min(standings, key=lambda standing: (standing.remaining, -standing.reset))
    remaining = max(worst.remaining, 0)
    if remaining > int(headers.get("RateLimit-Remaining", remaining)):
        return
    headers["RateLimit-Limit"] = str(worst.limit)
    headers["RateLimit-Remaining"] = str(remaining)
    headers["RateLimit-Reset"] = str(worst.reset)


def _increment(keys: Sequence[tuple[str, int]]) -> list[int]:
    """Add one to each key, which lives for its number of seconds, and return the new values."""
    backend = caches[DEFAULT_CACHE_ALIAS]
    if isinstance(backend, RedisCache):
        return _increment_in_one_round_trip(backend, keys)
    return [_increment_one(backend, key, seconds) for key, seconds in keys]


def _increment_in_one_round_trip(backend: RedisCache, keys: Sequence[tuple[str, int]]) -> list[int]:
    client = backend._cache.get_client(write=True)
    pipeline = client.pipeline(transaction=False)
    for key, seconds in keys:
        name = backend.make_key(key)
        pipeline.incr(name)
        pipeline.expire(name, seconds)
    totals: list[int] = pipeline.execute()[::2]
    return totals


def _increment_one(backend: BaseCache, key: str, seconds: int) -> int:
    try:
        return backend.incr(key)
    except ValueError:
        if backend.add(key, 1, timeout=seconds):
            return 1
        return backend.incr(key)
