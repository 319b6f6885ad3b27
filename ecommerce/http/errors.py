"""Every refusal and every failure leaves as a problem document (RFC 9457, ``application/problem+json``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path
from django.utils.log import log_response
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as drf
from rest_framework.fields import get_error_detail
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from ecommerce.errors import DomainError, Kind, Unauthorized
from ecommerce.http.language import language_of
from ecommerce.http.renderers import to_json
from ecommerce.http.titles import title_of_code, title_of_error
from ecommerce.observability import context as request_context

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
STATUS = {
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.INVALID: 422,
    Kind.UNAUTHORIZED: 401,
    Kind.FORBIDDEN: 403,
    Kind.UNAVAILABLE: 503,
    Kind.PAYMENT_REQUIRED: 402,
    Kind.PRECONDITION_FAILED: 412,
    Kind.PRECONDITION_REQUIRED: 428,
}
DJANGO_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (Http404, 404, "not_found"),
    (django_errors.PermissionDenied, 403, "permission_denied"),
    (django_errors.RequestDataTooBig, 413, "too_large"),
    (django_errors.BadRequest, 400, "bad_request"),
    (django_errors.SuspiciousOperation, 400, "bad_request"),
)
RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "errors", "trace_id", "correlation_id"})


@dataclass(frozen=True)
class Problem:
    """What went wrong, before it is written down for one request. ``title`` is that of ``code`` unless given."""

    status: int
    code: str
    detail: str = ""
    title: str = ""
    errors: list[dict[str, str]] = field(default_factory=list)
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, request: HttpRequest | Request) -> dict[str, Any]:
        """Return the JSON members; ``params`` stand beside the standard ones and cannot replace them."""
        title = self.title or title_of_code(self.code, language_of(request))
        document: dict[str, Any] = {
            "type": f"urn:problem:{self.code}",
            "title": title,
            "status": self.status,
            "detail": self.detail or title,
            "instance": escape_uri_path(request.path),
            "code": self.code,
        }
        if self.errors:
            document["errors"] = self.errors
        if context := request_context.bound_or_none():
            document["trace_id"] = context.trace_id
            document["correlation_id"] = context.correlation_id
        document.update((name, value) for name, value in self.params.items() if name not in RESERVED)
        return document


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of a REST view; the ``EXCEPTION_HANDLER`` of REST framework."""
    request: Request = context["request"]
    problem = problem_of(error, request)
    response = Response(
        problem.document(request), status=problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE
    )
    response["Content-Language"] = language_of(request)
    response["Cache-Control"] = "no-store"
    if problem.code == "internal_error":
        log_response("Unhandled: %s %s", request.method, request.path, response=response, request=request,
                     exception=error)  # fmt: skip
        got_request_exception.send(sender=exception_handler, request=request)
    return response


def problem_of(error: Exception, request: HttpRequest | Request) -> Problem:
    """Return the problem that ``error`` is to the client. An unknown exception tells nothing of itself."""
    if isinstance(error, DomainError):
        return Problem(STATUS[error.kind], error.code, error.detail, title_of_error(error, language_of(request)),
                       params=error.params, headers=_headers_of(error))  # fmt: skip
    if isinstance(error, drf.ValidationError):
        return _validation(error.detail, error.status_code, _special_code(error))
    if isinstance(error, drf.APIException):
        return _of_framework(error, request)
    if isinstance(error, django_errors.ValidationError):
        return _validation(get_error_detail(error), 400)
    for type_, status, code in DJANGO_ERRORS:
        if isinstance(error, type_):
            return Problem(status, code)
    return Problem(500, "internal_error")


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return the problem as a plain Django response, for views outside REST framework."""
    return HttpResponse(
        to_json(problem.document(request)),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers={**problem.headers, "Content-Language": language_of(request), "Cache-Control": "no-store"},
    )


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return respond(request, problem_of(exception, request))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.permission_denied(request, exception)
    return respond(request, Problem(403, "permission_denied"))


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return respond(request, Problem(404, "not_found"))


def handler500(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return respond(request, Problem(500, "internal_error"))


@csrf_exempt
def no_such_endpoint(request: HttpRequest, path: str = "") -> HttpResponse:
    """The last route under the API prefix, so that a debug page never answers a program."""
    return respond(request, Problem(404, "not_found"))


def pointers(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """Flatten a validation error, however nested, into entries with a JSON pointer (RFC 6901) into the body."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            own = key == api_settings.NON_FIELD_ERRORS_KEY
            yield from pointers(inner, pointer if own else f"{pointer}/{_escaped(key)}")
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            yield from pointers(inner, f"{pointer}/{index}" if isinstance(inner, Mapping | list) else pointer)
    else:
        yield {"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _validation(detail: Any, status: int, code: str = "validation_error") -> Problem:
    errors = list(pointers(detail))
    return Problem(status, code, errors[0]["detail"] if len(errors) == 1 else "", errors=errors)


def _special_code(error: drf.ValidationError) -> str:
    own = type(error).default_code
    return "validation_error" if own == drf.ValidationError.default_code else str(own)


def _of_framework(error: drf.APIException, request: HttpRequest | Request) -> Problem:
    code = str(getattr(error.detail, "code", error.default_code))
    headers: dict[str, str] = {}
    params: dict[str, Any] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if seconds := getattr(error, "wait", None):
        headers["Retry-After"] = str(seconds)
        params["retry_after"] = seconds
    if isinstance(error, drf.Throttled) or error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(error.status_code, code, headers=headers, params=params)
    return Problem(error.status_code, code, str(error.detail), headers=headers, params=params)


def _headers_of(error: DomainError) -> dict[str, str]:
    """Return ``WWW-Authenticate`` for a caller who must say who it is, ``Retry-After`` for one who may come back."""
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": error.challenge}
    seconds = error.params.get("retry_after")
    return {"Retry-After": str(seconds)} if isinstance(seconds, int) else {}
