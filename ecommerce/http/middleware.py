"""What REST framework does for the API, where it does not answer: at django-allauth's endpoints and the back office's
door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.permissions import SAFE_METHODS

from ecommerce.http.errors import Problem, problem_of, respond
from ecommerce.http.parsers import JSONParser
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


def StrictJSONMiddleware(get_response: Handler) -> Handler:  # noqa: N802 - settings name it like a class
    """Refuse bodies below ``THROTTLED_PREFIX`` that the API's parser refuses. django-allauth reads them with Python's,
    which takes halves of characters, that nothing can store, and breaks off where objects nest too deep."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(settings.THROTTLED_PREFIX) and request.method not in SAFE_METHODS:
            try:
                if request.body:
                    JSONParser().parse(BytesIO(request.body))
            except (ParseError, RequestDataTooBig) as error:
                return respond(request, problem_of(error, request))
        return get_response(request)

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
