"""For tests: a server with Stripe's API as its own process."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.sandbox_psp.testing import free_port

START_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class StripeServer:
    port: int
    api_key: str = "sk_test_stripe"
    webhook_secret: str = "whsec_test_stripe"
    flags: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        """Return a client that carries the secret key. The caller closes it."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=10, trust_env=False)

    def start(self) -> None:
        """Start the process and return when it answers. What it knew before is forgotten.

        Raises:
            RuntimeError: it ended, or did not answer in time; the message holds its log.
        """
        command = [sys.executable, "-m", "tests.stripe_server", "--port", str(self.port)]
        command += ["--webhook-secret", self.webhook_secret, *self.flags]
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    httpx.get(f"{self.base_url}/v1/payment_intents", timeout=1.0, trust_env=False)
                    return
                except httpx.TransportError:
                    time.sleep(0.03)
            self.kill()
            log.seek(0)
            raise RuntimeError(f"the server did not start:\n{log.read().decode()}")

    def kill(self) -> None:
        """End the process at once. Ending it twice is harmless."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None


@contextmanager
def running(*, webhook_url: str = "", hang_seconds: float = 30.0) -> Iterator[StripeServer]:
    """Run a server on a free port until the block ends."""
    flags = ("--webhook-url", webhook_url, "--hang-seconds", str(hang_seconds))
    server = StripeServer(port=free_port(), flags=flags)
    server.start()
    try:
        yield server
    finally:
        server.kill()
