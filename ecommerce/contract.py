"""What the methods of an interface promise beside their signatures. Pure Python, so that interfaces may use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class AtMost:
    """How many items a sequence may hold, as an annotation: ``Annotated[Sequence[UUID], AtMost(200)]``.

    It holds for arguments and for the fields of dataclasses in them; more raise ``ecommerce.errors.TooMany``.
    """

    items: int


@dataclass(frozen=True)
class Terms:
    """``scope`` is ``<context>:<what>``, such as ``catalog:read``: what a service must be granted to call the method.
    ``idempotent`` says that a call may be repeated when nobody knows whether it took effect. ``timeout`` is in seconds.
    """

    scope: str
    idempotent: bool
    timeout: float

    @property
    def context(self) -> str:
        return self.scope.partition(":")[0]


def operation(scope: str, *, idempotent: bool, timeout: float) -> Callable[[F], F]:
    """Declare the terms of an interface method; stands above ``abstractmethod``."""

    def declare(method: F) -> F:
        method.__dict__["terms"] = Terms(scope, idempotent, timeout)
        return method

    return declare


def terms_of(method: Callable[..., Any]) -> Terms:
    """Return what ``operation`` declared.

    Raises:
        TypeError: it declared nothing.
    """
    terms = method.__dict__.get("terms")
    if not isinstance(terms, Terms):
        raise TypeError(f"{method.__qualname__} declares no terms: put @operation(...) above it")
    return terms
