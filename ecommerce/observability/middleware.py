"""The outermost middleware: gives every request its context and measures it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponse

from ecommerce.observability import context, metrics

Handler = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def RequestContextMiddleware(get_response: Handler) -> Handler:  # noqa: N802 - settings name it like a class
    """Bind ``X-Correlation-ID`` and ``traceparent`` for the request, echo the former, and time the response.

    It also states the length of whole bodies, so that no server has to send them in chunks.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        started = perf_counter()
        headers = request.META
        bound = context.incoming(headers.get("HTTP_X_CORRELATION_ID", ""), headers.get("HTTP_TRACEPARENT", ""))
        token = context.bind(bound)
        try:
            response = get_response(request)
        finally:
            context.unbind(token)
        response.headers["X-Correlation-ID"] = bound.correlation_id
        if not response.streaming and not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        match = request.resolver_match
        route = match.route if match else "unmatched"
        method = request.method if request.method in METHODS else "other"
        metrics.http_seconds(route, method, response.status_code).observe(perf_counter() - started)
        return response

    return middleware
