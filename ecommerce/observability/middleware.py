"""The outermost middleware: gives every request its context and measures it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponse

from ecommerce.observability import context, metrics, pools, tracing

Handler = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNTRACED = frozenset({"/health", "/ready", "/live", "/metrics"})
"""What orchestrators and Prometheus ask every few seconds."""


def RequestContextMiddleware(get_response: Handler) -> Handler:  # noqa: N802 - settings name it like a class
    """Bind ``X-Correlation-ID`` and ``traceparent`` for the request, echo the former, and time the response.

    With tracing it is the span of the request. It also states the length of whole bodies, so that no server has to send
    them in chunks.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        headers = request.META
        bound = context.incoming(headers.get("HTTP_X_CORRELATION_ID", ""), headers.get("HTTP_TRACEPARENT", ""))
        token = context.bind(bound)
        try:
            response = (
                traced(request) if tracing.ENABLED and request.path_info not in UNTRACED else get_response(request)
            )
        finally:
            context.unbind(token)
        response.headers["X-Correlation-ID"] = bound.correlation_id
        if not response.streaming and not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        metrics.http_seconds(route_of(request), method_of(request), response.status_code).observe(
            perf_counter() - started
        )
        pools.tell()
        return response

    def traced(request: HttpRequest) -> HttpResponse:
        method, caller = method_of(request), tracing.remote({"traceparent": request.META.get("HTTP_TRACEPARENT", "")})
        asked = {"http.request.method": method, "url.scheme": request.scheme or "http"}
        with tracing.span(method, asked, kind="server", parent=caller) as span:
            response = get_response(request)
            route = route_of(request)
            span.rename(f"{method} /{route}")
            span.set({"http.route": f"/{route}", "http.response.status_code": response.status_code})
            if response.status_code >= 500:
                span.fail(str(response.status_code))
        return response

    return middleware


def route_of(request: HttpRequest) -> str:
    """Return the pattern that the path matched: there are as many of these as there are addresses in the code."""
    match = request.resolver_match
    return match.route if match else "unmatched"


def method_of(request: HttpRequest) -> str:
    return request.method if request.method in METHODS else "other"
