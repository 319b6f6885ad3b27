"""What both sides of a call over HTTP agree on beside the operations: headers, problems, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, unquote

from ecommerce import codec, errors
from ecommerce.calls.operation import Operation
from ecommerce.errors import DomainError, Kind
from ecommerce.http.errors import CONTENT_TYPE, STATUS
from ecommerce.observability.context import RequestContext

__all__ = ["CONTENT_TYPE", "CallMismatch", "Problem", "Refused", "error_of", "headers_of", "problem_of"]

DEADLINE = "X-Deadline-Ms"
"""How many milliseconds the caller still waits: relative, so that clocks need not agree."""
CAUSATION = "X-Causation-ID"
ACTOR = "X-Actor"
MOST_BYTES = 1024 * 1024
"""The largest body of arguments; the largest real one, a basket of 200 lines, is a fifth of it."""

CALL = "call"
"""The kind of a problem with the call itself, which no provider has seen, or whose provider broke."""
Code = Literal[
    "malformed_call", "service_token_refused", "missing_scope", "unknown_method", "method_not_allowed", "too_large",
    "internal_error", "deadline_exceeded",
]  # fmt: skip
STATUS_OF_CODE: Mapping[Code, int] = {
    "malformed_call": 400,
    "service_token_refused": 401,
    "missing_scope": 403,
    "unknown_method": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "internal_error": 500,
    "deadline_exceeded": 504,
}


class CallMismatch(RuntimeError):
    """The two sides of a call do not understand each other: another contract, or something else at that address."""


class Refused(Exception):
    """The call itself is refused; ``detail`` goes to the caller, so it tells nothing of what is inside."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The body of every answer that is no result: RFC 9457 with ``kind`` and ``params`` as members of our own."""

    type: str
    status: int
    code: str
    kind: str
    detail: str = ""
    params: dict[str, Any] = field(default_factory=dict)


def problem_of(error: DomainError | Refused) -> Problem:
    """Return what is told about an error."""
    if isinstance(error, Refused):
        status, kind, params = STATUS_OF_CODE[error.code], CALL, {}
    else:
        status, kind, params = STATUS[error.kind], error.kind.value, codec.to_builtins(error.params)
    return Problem(
        type=f"urn:problem:{error.code}", status=status, code=error.code, kind=kind, detail=error.detail, params=params
    )


def error_of(problem: Problem, operation: Operation) -> DomainError:
    """Return the error that the other side raised: of the same class, or of its kind's when the code is unknown here.

    Raises:
        CallMismatch: the kind is unknown, too.
    """
    if class_ := operation.errors.get(problem.code):
        return class_(problem.detail, **problem.params)
    try:
        base = BY_KIND[Kind(problem.kind)]
    except ValueError as error:
        raise CallMismatch(f"{operation} answers with a kind of error that is unknown here: {problem.kind}") from error
    unknown = base(problem.detail, **problem.params)
    unknown.code = problem.code
    return unknown


def headers_of(context: RequestContext) -> dict[str, str]:
    """Return what travels along: as part of what, caused by what and for whom the call is made. A tracer that has a
    span of its own for the call puts that one's ``traceparent`` here."""
    headers = {"X-Correlation-ID": context.correlation_id, "traceparent": context.traceparent}
    if context.causation_id:
        headers[CAUSATION] = quote(context.causation_id, safe=":")
    if context.actor:
        headers[ACTOR] = quote(context.actor, safe=":")
    return headers


def text_of(header: str) -> str:
    """Return a header as ``headers_of`` was given it."""
    return unquote(header)[:200]


class _PaymentRequired(DomainError):
    kind = Kind.PAYMENT_REQUIRED


class _PreconditionFailed(DomainError):
    kind = Kind.PRECONDITION_FAILED


class _PreconditionRequired(DomainError):
    kind = Kind.PRECONDITION_REQUIRED


BY_KIND: Mapping[Kind, type[DomainError]] = {
    Kind.NOT_FOUND: errors.NotFound,
    Kind.CONFLICT: errors.Conflict,
    Kind.INVALID: errors.Invalid,
    Kind.UNAUTHORIZED: errors.Unauthorized,
    Kind.FORBIDDEN: errors.Forbidden,
    Kind.UNAVAILABLE: errors.Unavailable,
    Kind.PAYMENT_REQUIRED: _PaymentRequired,
    Kind.PRECONDITION_FAILED: _PreconditionFailed,
    Kind.PRECONDITION_REQUIRED: _PreconditionRequired,
}
