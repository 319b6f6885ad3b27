"""Many clients in several processes: every connection is open before the first request leaves."""

from __future__ import annotations

import multiprocessing
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

from tests.bench.load import Answer, whole

PROCESSES = 4
GATHER_SECONDS = 60.0
ANSWER_SECONDS = 120.0
NO_ANSWER = Answer(0, b"")
"""The connection ended, or nothing came in time."""


@dataclass(frozen=True)
class Sent:
    """One request, and how long after the start it leaves."""

    request: bytes
    after: float = 0.0


class Crowd:
    """Sends requests of one volley from all its processes at once. Not thread-safe."""

    def __init__(self, lines: Sequence[Connection]) -> None:
        self._lines = lines

    def rush(self, volley: Sequence[bytes | Sent]) -> list[Answer]:
        """Send a volley, each request over a connection of its own, and return the answers in the same order."""
        sent = [each if isinstance(each, Sent) else Sent(each) for each in volley]
        count = len(self._lines)
        for place, line in enumerate(self._lines):
            line.send(sent[place::count])
        answers = [NO_ANSWER] * len(sent)
        for place, line in enumerate(self._lines):
            answers[place::count] = line.recv()
        return answers


@contextmanager
def gathered(url: str, *, processes: int = PROCESSES) -> Iterator[Crowd]:
    """Start the processes of a crowd before the server at ``url``, and end them afterwards."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    lines, members = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        member = context.Process(target=_serve, args=(theirs, barrier, url), name="buyers", daemon=True)
        member.start()
        theirs.close()
        lines.append(ours)
        members.append(member)
    try:
        yield Crowd(lines)
    finally:
        for line in lines:
            line.close()
        for member in members:
            member.join(timeout=5)
            member.kill()


def _serve(line: Connection, barrier: Barrier, url: str) -> None:
    """Send volleys until the other end of ``line`` is closed. Ctrl-C is for the parent, which then closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    while True:
        try:
            volley: list[Sent] = line.recv()
        except EOFError:
            return
        line.send(_together(volley, barrier, address))


def _together(volley: Sequence[Sent], barrier: Barrier, address: tuple[str, int]) -> list[Answer]:
    """Open a connection for each request, wait for the other processes to be as far, then send and read."""
    answers = [NO_ANSWER] * len(volley)
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        connections = [_connected(address, opened) for _ in volley]
        barrier.wait(GATHER_SECONDS)
        started = time.monotonic()
        for place in sorted(range(len(volley)), key=lambda place: volley[place].after):
            while (early := started + volley[place].after - time.monotonic()) > 0:
                _read(selector, answers, within=early)
            connection = connections[place]
            if connection is not None and _send(connection, volley[place].request):
                selector.register(connection, selectors.EVENT_READ, _Incoming(place))
        deadline = time.monotonic() + ANSWER_SECONDS
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            _read(selector, answers, within=left)
    return answers


@dataclass
class _Incoming:
    place: int
    received: bytes = b""


def _connected(address: tuple[str, int], opened: ExitStack) -> socket.socket | None:
    """Open a connection; None if nobody listens."""
    try:
        connection = opened.enter_context(socket.create_connection(address, ANSWER_SECONDS))
    except OSError:
        return None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _send(connection: socket.socket, request: bytes) -> bool:
    try:
        connection.sendall(request)
    except OSError:
        return False
    return True


def _read(selector: selectors.BaseSelector, answers: list[Answer], *, within: float) -> None:
    """Wait until something arrives, for so many seconds at most, and take it."""
    for key, _ in selector.select(timeout=within):
        if _ended(key.data, key.fileobj, answers):
            selector.unregister(key.fileobj)


def _ended(incoming: _Incoming, connection: object, answers: list[Answer]) -> bool:
    """Take what has arrived on a connection; tell whether nothing more will be read from it."""
    assert isinstance(connection, socket.socket)
    try:
        chunk = connection.recv(262144)
    except OSError:
        return True
    incoming.received += chunk
    answer = whole(incoming.received)
    if answer is not None:
        answers[incoming.place] = answer
    return answer is not None or not chunk
