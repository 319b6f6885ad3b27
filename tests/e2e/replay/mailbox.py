"""A real SMTP server in a process of its own. It takes every mail and remembers only what the audit asks about."""

from __future__ import annotations

import multiprocessing
import signal
from asyncio.base_events import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from multiprocessing.connection import Connection
from typing import Any

from aiosmtpd.controller import Controller

START_SECONDS = 30


@dataclass(frozen=True)
class Received:
    """What arrived: the ``Message-ID`` of each mail of the delivery log, and how many mails of other origin."""

    logged: list[str]
    others: int


class Mailbox:
    """Asks the server process; not thread-safe."""

    def __init__(self, line: Connection, port: int) -> None:
        self._line = line
        self.url = f"smtp://127.0.0.1:{port}"

    def received(self) -> Received:
        """Return everything that arrived so far."""
        self._line.send("received")
        answer = self._line.recv()
        assert isinstance(answer, Received)
        return answer


@contextmanager
def running(port: int = 0) -> Iterator[Mailbox]:
    """Start the server, on a free port unless given, and end it afterwards. It also ends when this process dies."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, port), name="mailbox", daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("the mail server did not start")
        yield Mailbox(ours, int(ours.recv()))
    finally:
        ours.close()
        process.join(timeout=5)
        process.terminate()


class _Handler:
    def __init__(self) -> None:
        self.logged: list[str] = []
        self.others = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Mails of the delivery log are marked as generated; mails about accounts come from another sender."""
        headers = message_from_bytes(envelope.content.partition(b"\r\n\r\n")[0])
        if headers["Auto-Submitted"]:
            self.logged.append(str(headers["Message-ID"]))
        else:
            self.others += 1
        return "250 OK"


class _AnyPort(Controller):
    """Lets the system choose the port, if it is 0."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = int(self.server.sockets[0].getsockname()[1])
        super()._trigger_server()  # type: ignore[no-untyped-call]


def _serve(line: Connection, port: int) -> None:
    """Serve until the other end of ``line`` is closed. Ctrl-C is for the parent, which then closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handler = _Handler()
    controller = _AnyPort(handler, hostname="127.0.0.1", port=port, ready_timeout=START_SECONDS)
    controller.start()
    line.send(controller.port)
    try:
        while line.recv():
            line.send(Received(list(handler.logged), handler.others))
    except EOFError:
        pass
    finally:
        controller.stop()
