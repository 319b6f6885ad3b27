"""The other end of calls over HTTP: one view for all methods of all interfaces that live here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import structlog
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from ecommerce import clock, codec
from ecommerce.calls import wire
from ecommerce.calls.operation import Operation, operations
from ecommerce.calls.providers import interfaces, provider_of
from ecommerce.calls.signing import Caller, verify
from ecommerce.calls.wire import Refused, problem_of
from ecommerce.deadline import due_by
from ecommerce.errors import DomainError
from ecommerce.observability import context as request_context

log = structlog.get_logger(__name__)
MILLISECONDS = re.compile(r"-?\d{1,9}", re.ASCII)


@csrf_exempt
def call(request: HttpRequest, context: str, method: str) -> HttpResponse:
    """Answer ``POST /internal/<context>/v1/<method>``: JSON arguments in, JSON result or problem out.

    For services only: it knows no cookies, no users and no rate limits. Whoever has no service token learns nothing,
    not even which methods there are.
    """
    try:
        return _answer(_result(request, context, method))
    except (Refused, DomainError) as error:
        problem = problem_of(error)
        return _answer(codec.encode(problem), status=problem.status, content_type=wire.CONTENT_TYPE)


@csrf_exempt
def nothing(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer what has no address below ``/internal/``."""
    problem = problem_of(Refused("unknown_method", "There is no such method."))
    return _answer(codec.encode(problem), status=problem.status, content_type=wire.CONTENT_TYPE)


def _result(request: HttpRequest, context: str, method: str) -> bytes:
    if request.method != "POST":
        raise Refused("method_not_allowed", "Methods of interfaces are called by POST.")
    caller = verify(request.headers.get("Authorization", "").removeprefix("Bearer "), audience=context)
    operation = _operation(context, method)
    if operation.terms.scope not in caller.scopes:
        raise Refused("missing_scope", f"The scope {operation.terms.scope} is needed.")
    arguments = _arguments(request, operation)
    with _on_behalf(request, caller), due_by(clock.now() + _time_left(request, operation)):
        try:
            operation.check(arguments)
            return codec.encode(getattr(provider_of(operation.interface), operation.name)(**arguments))
        except DomainError:
            raise
        except Exception as error:
            log.exception("call_failed", method=str(operation), caller=caller.issuer)
            raise Refused("internal_error", "The call failed.") from error


def _operation(context: str, method: str) -> Operation:
    for interface in interfaces():
        operation = operations(interface).get(method)
        if operation and operation.terms.context == context:
            return operation
    raise Refused("unknown_method", "There is no such method.")


def _arguments(request: HttpRequest, operation: Operation) -> dict[str, object]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > wire.MOST_BYTES:
        raise Refused("too_large", f"The arguments may have {wire.MOST_BYTES} bytes.")
    try:
        return operation.decode_arguments(request.body)
    except codec.Undecodable as error:
        raise Refused("malformed_call", f"These are not the arguments of {operation}: {error}") from error


def _time_left(request: HttpRequest, operation: Operation) -> timedelta:
    """Return how long the caller waits, at most as long as the method may take."""
    header = request.headers.get(wire.DEADLINE, "")
    if not header:
        return timedelta(seconds=operation.terms.timeout)
    if not MILLISECONDS.fullmatch(header):
        raise Refused("malformed_call", f"{wire.DEADLINE} is a number of milliseconds.")
    seconds = min(int(header) / 1000, operation.terms.timeout)
    if seconds <= 0:
        raise Refused("deadline_exceeded", "The caller has no time left.")
    return timedelta(seconds=seconds)


@contextmanager
def _on_behalf(request: HttpRequest, caller: Caller) -> Iterator[None]:
    """Bind for whom and because of what the call is made, which a service may say. The middleware has bound
    correlation id and trace; a span of the call begins and ends with this block."""
    bound = replace(
        request_context.current(),
        causation_id=wire.text_of(request.headers.get(wire.CAUSATION, "")),
        actor=wire.text_of(request.headers.get(wire.ACTOR, "")) or f"service:{caller.issuer}",
    )
    token = request_context.bind(bound)
    try:
        yield
    finally:
        request_context.unbind(token)


def _answer(body: bytes, *, status: int = 200, content_type: str = "application/json") -> HttpResponse:
    return HttpResponse(body, status=status, content_type=content_type, headers={"Cache-Control": "no-store"})
