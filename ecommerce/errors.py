"""Errors that a use case may raise on purpose.

A context declares its own subclasses beside the function that raises them. ``code`` is stable and public: clients
branch on it, and the remote client of an interface maps it back to the same class.
"""

from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What a refusal means to the caller; one place maps it to an HTTP status."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"
    """The caller did not prove who it is; ``FORBIDDEN`` is for one who did."""
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    PAYMENT_REQUIRED = "payment_required"
    PRECONDITION_FAILED = "precondition_failed"
    PRECONDITION_REQUIRED = "precondition_required"


class DomainError(Exception):
    """A refusal with a stable code.

    ``detail`` is one sentence for a person; ``params`` are JSON-ready facts for a program (the new total, the
    missing pieces) and are published in the problem document, so they must hold no secret.
    """

    code: str = "domain_error"
    """Belongs to the class. An instance has another one only when a service sent it whose class is unknown here."""
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, detail: str = "", **params: Any) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.params = params


class NotFound(DomainError):
    code = "not_found"
    kind = Kind.NOT_FOUND


class Conflict(DomainError):
    code = "conflict"
    kind = Kind.CONFLICT


class Invalid(DomainError):
    code = "invalid"
    kind = Kind.INVALID


class TooMany(Invalid):
    """More items than a method of an interface takes; ``argument``, ``limit`` and ``given`` tell."""

    code = "too_many"


class Unauthorized(DomainError):
    code = "unauthorized"
    kind = Kind.UNAUTHORIZED
    challenge: ClassVar[str] = "Bearer"
    """How to prove it: the ``WWW-Authenticate`` of the answer, which a 401 must carry (RFC 9110, 11.6.1)."""


class Forbidden(DomainError):
    code = "forbidden"
    kind = Kind.FORBIDDEN


class Unavailable(DomainError):
    code = "unavailable"
    kind = Kind.UNAVAILABLE


class Unreachable(Unavailable):
    """Another context cannot be reached now. It says nothing about what was asked for: the same call may succeed later.

    ``context`` names it; ``retry_after`` is the number of seconds for which nobody will even try, if that is known.
    """

    code = "unreachable"
