"""For tests: a sandbox payment server as its own process, requests to it, and a receiver of its webhooks."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx

START_SECONDS = 15.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class Sandbox:
    """One server. Stopped or killed, it can be started again with the same address and the same books."""

    data: Path
    port: int
    api_key: str = "sk_test_sandbox"
    publishable_key: str = "pk_test_sandbox"
    webhook_secret: str = "whsec_test_sandbox"
    flags: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, *, timeout: float = 10.0) -> httpx.Client:
        """Return a client that carries the secret key. The caller closes it."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=timeout, trust_env=False)

    def start(self) -> None:
        """Start the process and return when it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time; the message holds its log.
        """
        command = [sys.executable, "-m", "tests.sandbox_psp", "--port", str(self.port), "--data", str(self.data)]
        command += ["--api-key", self.api_key, "--publishable-key", self.publishable_key]
        command += ["--webhook-secret", self.webhook_secret, *self.flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_PSP_")}
        log = self.data / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.base_url}/health", timeout=1.0, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.03)
        self.kill()
        raise RuntimeError(f"the sandbox payment server did not start:\n{log.read_text()}")

    def stop(self) -> float:
        """Ask the process to end (SIGTERM) and return how many seconds that took. Stopping twice is harmless."""
        started = time.monotonic()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None
        return time.monotonic() - started

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None


@contextmanager
def running(
    data: Path | None = None,
    *,
    webhook_url: str = "",
    webhook_all: bool = False,
    hang_seconds: float = 30.0,
    threads: int = 16,
) -> Iterator[Sandbox]:
    """Run a server on a free port until the block ends. ``data`` keeps its books, else they are thrown away."""
    with TemporaryDirectory(prefix="sandbox-psp-") as temporary:
        flags = ["--webhook-url", webhook_url, "--hang-seconds", str(hang_seconds), "--threads", str(threads)]
        flags += ["--webhook-all"] if webhook_all else []
        sandbox = Sandbox(data=data or Path(temporary), port=free_port(), flags=tuple(flags))
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def charge(psp: httpx.Client, *, key: str = "", token: str = "tok_approved", **changes: Any) -> httpx.Response:
    """Charge R$ 100.00 on an approving card, but for ``changes``; a new key and reference unless given."""
    body: dict[str, Any] = {"reference": uuid4().hex, "amount": "100.00", "currency": "BRL", "method": "card"}
    if changes.get("method", "card") in ("card", "debit_card"):
        body["card"] = {"token": token, "installments": 1}
    return psp.post("/v1/charges", json={**body, **changes}, headers={"Idempotency-Key": key or uuid4().hex})


def refund(psp: httpx.Client, charge_id: str, amount: str, *, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key or uuid4().hex}
    return psp.post(f"/v1/charges/{charge_id}/refunds", json={"amount": amount, "reason": "test"}, headers=headers)


def eventually(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return when ``condition`` holds.

    Raises:
        AssertionError: it did not come to that in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not become true in {seconds} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Received:
    """One webhook, exactly as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass
class Receiver:
    """What a webhook receiver got so far, and what it answers: ``statuses`` one by one, then 200."""

    url: str
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Received]:
        """Return what was received as soon as it is ``count`` webhooks.

        Raises:
            AssertionError: it did not come to that in time.
        """
        with self.arrived:
            enough = self.arrived.wait_for(lambda: len(self.received) >= count, timeout=seconds)
            assert enough, f"{len(self.received)} webhooks came in {seconds} s, not {count}"
            return list(self.received)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run an HTTP server that takes webhooks until the block ends."""
    receiver = Receiver(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(receiver: Receiver) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.arrived:
                receiver.received.append(Received(dict(self.headers), body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.arrived.notify_all()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Stay quiet."""

    return Handler
