"""The load generator against servers that end connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.bench.load import Answer, Flow, Silent, drive, get

ANSWERS = 3
"""What the server answers on one connection."""


class Shy(BaseHTTPRequestHandler):
    """Closes a connection after a few answers; says so beforehand, unless asked for ``/unsaid``."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_GET(self) -> None:
        self.answered += 1
        last = self.answered == ANSWERS
        self.close_connection = last
        self.send_response(200)
        self.send_header("Content-Length", "2")
        if last and self.path != "/unsaid":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def twice(path: str) -> Flow:
    for _ in range(2):
        answer: Answer = yield get(path)
        answer.json(expect=200)
    return "done"


def test_flows_go_on_when_the_server_ends_a_connection(url: str) -> None:
    result = drive(url, lambda number: twice("/"), count=20, connections=2)

    assert (list(result.outcomes), list(result.failures)) == (["done"] * 20, [])


def test_a_connection_that_ends_without_a_word_is_no_answer(url: str) -> None:
    with pytest.raises(Silent):
        drive(url, lambda number: twice("/unsaid"), count=20, connections=2)
