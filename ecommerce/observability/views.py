"""Endpoints for orchestrators and Prometheus. They need no session and no REST framework."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from ecommerce import clock, codec
from ecommerce.observability import health as checks
from ecommerce.observability import metrics as numbers


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """Each part of the system, 503 when one of them fails."""
    results = checks.run()
    return _answer(results, serving=all(check.healthy for check in results.values()))


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Whether to send traffic here: 503 while an essential part fails or migrations are missing.

    Without broker or cache the shop still sells, so their failure shows here but takes no process out of service.
    """
    results = checks.run_readiness()
    return _answer(results, serving=all(check.healthy for check in results.values() if check.essential))


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """Whether the process answers at all; a failing part elsewhere is no reason to restart this one."""
    return HttpResponse(b'{"status":"ok"}', content_type="application/json")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics in the Prometheus text format; with ``METRICS_TOKEN`` set, only for its bearer."""
    expected = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if expected and not hmac.compare_digest(given.encode(), expected.encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(numbers.exposition(), content_type=CONTENT_TYPE_LATEST)


def _answer(results: dict[str, checks.Check], *, serving: bool) -> HttpResponse:
    healthy = all(check.healthy for check in results.values())
    body = {"status": "healthy" if healthy else "unhealthy", "checks": results, "timestamp": clock.now()}
    return HttpResponse(codec.encode(body), status=200 if serving else 503, content_type="application/json")
