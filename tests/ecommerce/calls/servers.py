"""Real servers on real sockets: this process's own application, and one that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler


class Quiet(WSGIRequestHandler):
    """Handles requests without writing each to the log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Application(ThreadedWSGIServer):
    """The Django application of this process; counts its connections and requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Quiet)
        self.connections = 0
        self.requests: list[str] = []
        django = WSGIHandler()

        def counted(environ: dict[str, Any], start_response: Any) -> Any:
            self.requests.append(environ["PATH_INFO"])
            return django(environ, start_response)

        self.set_app(counted)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no error."""


Answer = Callable[[BaseHTTPRequestHandler], None]


class Scripted(ThreadingHTTPServer):
    """Gives one answer after the other, the last one for ever; counts the requests that reached it."""

    daemon_threads = True

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _ScriptedHandler)
        self.answers = list(answers)
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()
        """Ends the answers that wait."""
        self.open_connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.open_connections -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no error."""


class _ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(dict(self.headers.items()))
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def body(status: int, content: bytes, content_type: str = "application/json") -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def then_closing(answer: Answer) -> Answer:
    """Answer, and close the connection without having said so."""

    def answer_and_close(handler: BaseHTTPRequestHandler) -> None:
        answer(handler)
        handler.close_connection = True

    return answer_and_close


def silence(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and say nothing until the test is over."""
    assert isinstance(handler.server, Scripted)
    handler.server.released.wait(30)
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and close the connection."""
    handler.close_connection = True


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Run a server in threads of this process while the block lasts."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, Scripted):
            server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
