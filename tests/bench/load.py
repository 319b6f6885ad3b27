"""A load generator that costs little: keep-alive sockets, prepared requests, one thread per connection."""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 8


class Unexpected(Exception):
    """An answer had another status than expected; the text holds the beginning of its body."""


class Connection:
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self._host = f"{parts.hostname}:{parts.port}"
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def get(self, path: str) -> bytes:
        return self.send(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None, *, expect: int = 0) -> Any:
        """Post JSON and return the decoded answer."""
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(data)}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        return json.loads(self.send("\r\n".join([*lines, "", ""]).encode() + data, expect=expect))

    def send(self, request: bytes, *, expect: int = 0) -> bytes:
        """Send a whole request and return the body of the answer.

        Raises:
            Unexpected: the status is not ``expect``, or with 0 not 2xx.
        """
        self._socket.sendall(request)
        status = int(self._file.readline().split(b" ", 2)[1])
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        body = self._file.read(length)
        if status != expect if expect else not 200 <= status < 300:
            raise Unexpected(f"{status}: {body[:500]!r}")
        return body

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@dataclass(frozen=True)
class Result:
    """``seconds`` of the whole run, and of every action, sorted."""

    seconds: float
    latencies: Sequence[float]
    failures: Sequence[str] = ()

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percentile: int) -> float:
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percentile - 1] * 1000


Action = Callable[[Connection, int], Any]


def drive(url: str, action: Action, *, seconds: float = 0, count: int = 0, connections: int = CONNECTIONS) -> Result:
    """Repeat ``action(connection, number)`` on all connections for ``seconds``, or ``count`` times in all."""
    latencies: list[float] = []
    failures: list[str] = []
    numbers = iter(range(count or 10**9))
    lock = threading.Lock()
    deadline = time.perf_counter() + (seconds or 10**6)

    def work() -> None:
        connection = Connection(url)
        mine: list[float] = []
        while time.perf_counter() < deadline:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            started = time.perf_counter()
            try:
                action(connection, number)
            except Unexpected as error:
                failures.append(str(error))
            mine.append(time.perf_counter() - started)
        latencies.extend(mine)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Result(time.perf_counter() - started, sorted(latencies), failures)
