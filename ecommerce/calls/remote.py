"""Calls to contexts that run elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import monotonic, perf_counter
from typing import Any

import urllib3
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_random_exponential
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ConnectTimeoutError, EmptyPoolError, HTTPError, NewConnectionError, TimeoutError

from ecommerce import codec
from ecommerce.calls.breaker import Breaker, Failure
from ecommerce.calls.operation import Operation
from ecommerce.calls.signing import Signer
from ecommerce.calls.wire import CALL, CONTENT_TYPE, DEADLINE, CallMismatch, Problem, error_of, headers_of
from ecommerce.deadline import seconds_left
from ecommerce.errors import DomainError, Unavailable, Unreachable
from ecommerce.observability import context as request_context
from ecommerce.observability import metrics

ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds; each pause is drawn between nothing and twice the bound of the one before it."""
CONNECT_SECONDS = 1.0
"""A caller that has less, or less than the method's own time, cannot tell that the neighbour is slow."""
CONNECTIONS = 32
NOT_SENT = (NewConnectionError, ConnectTimeoutError, EmptyPoolError)
LATE = (TimeoutError, EmptyPoolError)
GATEWAY = frozenset({502, 503, 504})


class Neighbour:
    """One called service, as this process sees it: its connections, tokens and circuit breaker. Safe for threads."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._breaker = Breaker(name)
        self._signer = Signer(name)
        self._http = urllib3.connection_from_url(url, maxsize=CONNECTIONS, block=True)
        self._prefix = (urllib3.util.parse_url(url).path or "").rstrip("/")

    def call(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        """Return what the other side returns.

        Raises:
            DomainError: what the other side raised, by code.
            Unreachable: it did not answer in time, is not there, or does not accept our token.
            Unavailable: it broke.
            CallMismatch: its answer is none.
        """
        started, outcome = perf_counter(), "failed"
        try:
            result = self._tried(operation, codec.encode(arguments))
            outcome = "ok"
            return result
        except Failure as failure:
            outcome = failure.outcome
            raise failure.error from failure.__cause__
        except DomainError:
            outcome = "refused"
            raise
        finally:
            interface = operation.interface.__name__
            metrics.CALLS.labels(interface, operation.name, outcome).inc()
            metrics.CALL_SECONDS.labels(interface, operation.name).observe(perf_counter() - started)

    def close(self) -> None:
        self._http.close()

    def _tried(self, operation: Operation, body: bytes) -> Any:
        """Make a few attempts within the time that there is."""
        seconds = seconds_left(operation.terms.timeout)
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(seconds),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.again),
            reraise=True,
        )
        return retrying(self._attempt, operation, body, monotonic() + seconds)

    def _attempt(self, operation: Operation, body: bytes, ends: float) -> Any:
        left = ends - monotonic()
        if left <= 0:
            raise Failure(self._unreachable("There is no time left to ask"), "deadline", again=False)
        with self._breaker.guard():
            return self._answer(operation, self._sent(operation, body, left))

    def _sent(self, operation: Operation, body: bytes, left: float) -> BaseHTTPResponse:
        headers = {
            "Authorization": f"Bearer {self._signer.token()}",
            "Content-Type": "application/json",
            DEADLINE: str(max(1, int(left * 1000))),
            **headers_of(request_context.current()),
        }
        path, timeout = self._prefix + operation.path, urllib3.Timeout(connect=min(left, CONNECT_SECONDS), total=left)
        try:
            return self._http.urlopen(
                "POST", path, body, headers, retries=False, redirect=False, timeout=timeout,
                pool_timeout=left,  # type: ignore[arg-type]  # whole seconds by its type, any by queue.get
            )  # fmt: skip
        except HTTPError as error:
            sent, late = not isinstance(error, NOT_SENT), isinstance(error, LATE)
            had_time = left >= min(operation.terms.timeout, CONNECT_SECONDS) and not isinstance(error, EmptyPoolError)
            raise Failure(
                self._unreachable("There is no answer from" if sent else "There is no connection to"),
                "timeout" if sent and late else "unreachable",
                again=not sent or operation.terms.idempotent,
                counts=had_time or not late or None,
            ) from error

    def _answer(self, operation: Operation, response: BaseHTTPResponse) -> Any:
        if 200 <= response.status < 300:
            try:
                return operation.decode_result(response.data)
            except codec.Undecodable as error:
                raise CallMismatch(f"{operation} answers with something else than its result: {error}") from error
        problem = _problem(response)
        if problem and problem.kind != CALL:
            raise error_of(problem, operation)
        if response.status in GATEWAY:
            failure = self._unreachable("There is no answer from")
            raise Failure(failure, "unavailable", again=operation.terms.idempotent)
        if response.status >= 500:
            broken = Unavailable(f"{self.name} could not do what was asked.", context=self.name)
            raise Failure(broken, "crashed", again=False)
        if problem and response.status == 401:
            self._signer.token(anew=True)
            raise Failure(self._unreachable("No token is accepted by"), "rejected", again=True, counts=False)
        if problem and response.status == 403:
            raise Failure(self._unreachable("A scope is missing at"), "rejected", again=False, counts=False)
        told = f"{problem.code}: {problem.detail}" if problem else "no problem document"
        raise CallMismatch(f"{operation} is answered by {response.status}, {told}")

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(f"{what} {self.name}.", context=self.name)


def _problem(response: BaseHTTPResponse) -> Problem | None:
    """Return the problem document of one of our servers; None for an answer of anybody else."""
    if response.headers.get("Content-Type", "").partition(";")[0] != CONTENT_TYPE:
        return None
    try:
        return codec.decode(response.data, Problem)
    except codec.Undecodable:
        return None


_neighbours: dict[tuple[str, str], Neighbour] = {}
os.register_at_fork(after_in_child=_neighbours.clear)
"""A child must not talk on the connections of its parent."""


def neighbour(name: str, url: str) -> Neighbour:
    """Return the one object of this process for a service."""
    known = _neighbours.get((name, url))
    return known or _neighbours.setdefault((name, url), Neighbour(name, url))


def forget_neighbours() -> None:
    """Close all connections and begin anew, with closed circuits."""
    while _neighbours:
        _neighbours.popitem()[1].close()
