"""Rate limits where REST framework does not answer: django-allauth's endpoints and the door of the back office."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ecommerce.http.errors import Problem, respond
from ecommerce.http.throttling import client_network, seconds_to_wait

Handler = Callable[[HttpRequest], HttpResponse]


def ThrottleMiddleware(get_response: Handler) -> Handler:  # noqa: N802 - settings name it like a class
    """Count requests below ``THROTTLED_PREFIX`` and to ``LOGIN_PATHS`` by address, and refuse those beyond the limits.

    Nobody is known yet, and who guesses passwords is nobody: only the address counts.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        headers: dict[str, str] = {}
        name = [client_network(request)]
        waits = [seconds_to_wait(scope, name, headers) for scope in _scopes_of(request)]
        if seconds := max(waits, default=0):
            headers["Retry-After"] = str(seconds)
            return respond(request, Problem(429, "throttled", params={"retry_after": seconds}, headers=headers))
        response = get_response(request)
        for header, value in headers.items():
            response.headers[header] = value
        return response

    return middleware


def _scopes_of(request: HttpRequest) -> Iterator[str]:
    if request.path_info.startswith(settings.THROTTLED_PREFIX):
        yield "anon"
    if request.path_info in settings.LOGIN_PATHS and not _only_looks(request):
        yield "login"


def _only_looks(request: HttpRequest) -> bool:
    """Tell whether nothing is tried: django-allauth also says by GET whether a key from a mail is good."""
    asks_about_a_key = {"HTTP_X_EMAIL_VERIFICATION_KEY", "HTTP_X_PASSWORD_RESET_KEY"} & request.META.keys()
    return request.method == "OPTIONS" or (request.method in ("GET", "HEAD") and not asks_about_a_key)
