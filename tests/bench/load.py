"""A load generator that costs little: one thread, keep-alive sockets, requests written out beforehand.

A flow is a generator: it yields the bytes of a request, is sent the :class:`Answer`, and returns what is to be kept.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

import orjson
import psutil

CONNECTIONS = 8
SILENCE_SECONDS = 60.0
ACCEPT_SECONDS = 2.0
SPARE = 4
"""So many times the connections that are wanted are opened, for a choice."""
END_OF_HEAD = b"\r\n\r\n"


class Unexpected(Exception):
    """An answer had another status than expected; the text holds the beginning of its body."""


class Silent(Exception):
    """The server closed a connection, or said nothing for a minute."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``last``: the server closes the connection after it."""

    status: int
    body: bytes
    last: bool = False

    def json(self, *, expect: int) -> Any:
        """Return the decoded body.

        Raises:
            Unexpected: the status is another one.
        """
        if self.status != expect:
            raise Unexpected(f"{self.status}: {self.body[:500]!r}")
        return orjson.loads(self.body)


Flow = Generator[bytes, Answer, Any]
Action = Callable[[int], Flow]
"""Makes the flow number n."""


@dataclass(frozen=True)
class Result:
    """``seconds`` of the whole run, those of every flow, sorted, what the flows returned, and what went wrong."""

    seconds: float
    latencies: Sequence[float]
    outcomes: Sequence[Any] = ()
    failures: Sequence[str] = ()

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percentile: int) -> float:
        if len(self.latencies) < 2:
            return sum(self.latencies) * 1000
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percentile - 1] * 1000


def get(path: str, **headers: str) -> bytes:
    """Return a GET; underscores in the names of ``headers`` are hyphens."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def post(path: str, body: Any, *, method: str = "POST", **headers: str) -> bytes:
    """Return a POST of JSON, or another ``method``; underscores in the names of ``headers`` are hyphens."""
    data = orjson.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def drive(url: str, action: Action, *, seconds: float = 0, count: int = 0, connections: int = CONNECTIONS) -> Result:
    """Repeat ``action`` on all connections at once, for ``seconds`` or ``count`` times in all.

    Flows that are under way when the time is over are finished and counted. The processes of the server have equally
    many of the connections.

    Raises:
        Silent
    """
    opened = _connected(url, connections)
    run = _Run(action, numbers=iter(range(count or 10**9)), until=time.perf_counter() + (seconds or 10**6))
    with selectors.DefaultSelector() as selector:
        for line in [_Line(run, connection, selector) for connection in opened]:
            line.begin()
        try:
            while selector.get_map():
                ready = selector.select(timeout=SILENCE_SECONDS)
                if not ready:
                    raise Silent(f"no answer within {SILENCE_SECONDS} s")
                for key, _ in ready:
                    key.data.read()
        finally:
            for key in [*selector.get_map().values()]:
                key.data.close()
    return Result(time.perf_counter() - run.started, sorted(run.latencies), run.outcomes, run.failures)


def _connected(url: str, count: int) -> list[socket.socket]:
    """Connect ``count`` times, to the processes that listen there in turn.

    The kernel chooses by chance who accepts: of eight connections one of two processes often gets six.
    """
    address = urlsplit(url)
    server = (address.hostname, address.port)
    many = [socket.create_connection(server, timeout=SILENCE_SECONDS) for _ in range(SPARE * count)]
    owners: dict[Any, int | None] = {}
    deadline = time.monotonic() + ACCEPT_SECONDS
    while not all(owners.get(one.getsockname()) for one in many) and time.monotonic() < deadline:
        time.sleep(0.02)
        owners = {(*each.raddr,): each.pid for each in psutil.net_connections("tcp") if each.raddr}
    turns: dict[int | None, int] = defaultdict(int)
    ranked = []
    for one in many:
        owner = owners.get(one.getsockname())
        ranked.append((turns[owner], one))
        turns[owner] += 1
    ranked.sort(key=itemgetter(0))
    for _, one in ranked[count:]:
        one.close()
    return [one for _, one in ranked[:count]]


@dataclass
class _Run:
    """What all connections of one run share."""

    action: Action
    numbers: Iterator[int]
    until: float
    started: float = field(default_factory=time.perf_counter)
    latencies: list[float] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class _Line:
    """One connection and the flow that goes over it."""

    def __init__(self, run: _Run, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        self._run, self._selector = run, selector
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, self)
        self._socket, self._server, self._received = connection, connection.getpeername(), b""

    def close(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()

    def begin(self) -> None:
        """Start the next flow, or close the connection when there is none."""
        number = next(self._run.numbers, None) if time.perf_counter() < self._run.until else None
        if number is None:
            self.close()
            return
        self._flow = self._run.action(number)
        self._begun = time.perf_counter()
        self._socket.sendall(next(self._flow))

    def read(self) -> None:
        """Take what has arrived; once the answer is whole, let the flow go on.

        Raises:
            Silent: the server closed the connection before it had answered.
        """
        try:
            chunk = self._socket.recv(262144)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise Silent("the server closed the connection")
        self._received += chunk
        answer = whole(self._received)
        if answer is None:
            return
        self._received = b""
        if answer.last:
            self.close()
            self._take(socket.create_connection(self._server, timeout=SILENCE_SECONDS))
        try:
            self._socket.sendall(self._flow.send(answer))
        except StopIteration as end:
            self._run.outcomes.append(end.value)
            self._finish()
        except Unexpected as error:
            self._run.failures.append(str(error))
            self._finish()

    def _finish(self) -> None:
        self._run.latencies.append(time.perf_counter() - self._begun)
        self.begin()


def whole(received: bytes) -> Answer | None:
    """Return the answer if all of it is here; every server that is measured states the length."""
    end = received.find(END_OF_HEAD)
    if end < 0:
        return None
    head = received[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    body = received[end + 4 :]
    last = b"\r\nconnection: close" in head
    return Answer(int(head[9:12]), body, last) if len(body) >= length else None
