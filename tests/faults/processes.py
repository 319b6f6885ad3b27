"""The processes of a rig: those of the Procfile, and one that publishes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from tests.e2e.stack import RATE_LIMITS, ROOT, free_port

T = TypeVar("T")
WORKER = ("celery", "--quiet", "--app", "config", "worker", "--without-gossip", "--without-mingle",
          "--without-heartbeat")  # fmt: skip
BEAT = ("celery", "--quiet", "--app", "config", "beat", "--pidfile=")
WEB = ("granian", "--interface", "wsgi", "--workers", "1", "--host", "127.0.0.1", "--no-ws", "--log-level", "warning",
       "config.wsgi:application")  # fmt: skip
FORKING = ("tests.faults.forking",)
SIGN_UP = "/_allauth/app/v1/auth/signup"
POLL = 0.05
WEB_SECONDS = 60
FORKED_SECONDS = 300
"""A process that stands still answers when it goes on."""
STOP_SECONDS = 30


class FaultFailed(Exception):
    """Something that had to happen did not, or something happened that must not."""


def until(condition: Callable[[], T], what: str, *, within: float, state: Callable[[], str] | None = None) -> T:
    """Wait until ``condition`` returns something true, and return that. A database that is away is not an answer.
    ``state`` says what there is instead.

    Raises:
        FaultFailed: not within so many seconds.
    """
    deadline, last = time.monotonic() + within, "nothing"
    while True:
        try:
            if found := condition():
                return found
            last = repr(found)
        except psycopg.OperationalError as error:
            last = str(error).strip()
        if time.monotonic() > deadline:
            raise FaultFailed(f"not within {within:.0f} s: {what} ({state() if state else f'last seen: {last}'})")
        time.sleep(POLL)


class Supervised:
    """A process that is started again when it dies, as whoever supervises it would."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self.deaths = 0
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._program(), cwd=ROOT, env=dict(self._environment), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _program(self) -> list[str]:
        return [sys.executable, "-m", *self._command]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it as an administrator would; kill it if it does not end."""
        if not self.alive:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def revive(self) -> bool:
        """Start it again if it has died, and tell whether it had."""
        if self.alive:
            return False
        self.deaths += 1
        self._start()
        return True


class Worker(Supervised):
    """One Celery worker with its relays and consumers, in a process of its own."""

    def __init__(self, environment: Mapping[str, str], log: Path, *options: str) -> None:
        super().__init__((*WORKER, *options), environment, log)

    stop = Supervised.close


class Beat(Supervised):
    """The process that says when sagas are resumed and webhooks taken in."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        schedule = f"{folder}/celerybeat-{free_port()}"
        super().__init__((*BEAT, "--schedule", schedule), environment, folder / "beat.log")


class Web(Supervised):
    """A web process with one worker and one thread: a request that hangs holds up all others. ``forking``: one with a
    process for each request."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, *, port: int = 0, threads: int = 1, forking: bool = False
    ) -> None:
        self.port = port or free_port()
        command = FORKING if forking else (*WEB, "--blocking-threads", str(threads))
        timeout = FORKED_SECONDS if forking else WEB_SECONDS
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=timeout, trust_env=False)
        unlimited = {**environment, **dict.fromkeys(RATE_LIMITS, "")}
        super().__init__((*command, "--port", str(self.port)), unlimited, log)
        self.await_ready()

    def await_ready(self) -> None:
        until(self._ready, "the web process is ready", within=WEB_SECONDS)

    def _ready(self) -> bool:
        try:
            return self.client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    def sign_up(self, name: str) -> float:
        """Open an account, which commits an event and hands a letter to Celery; return how many seconds it took."""
        started = time.monotonic()
        try:
            answer = self.client.post(
                SIGN_UP, json={"email": f"{name}@example.com", "password": "uma-senha-comprida"}
            )  # fmt: skip
        except httpx.TransportError as error:
            raise FaultFailed(f"sign-up: {error!r}") from error
        if answer.status_code != 200:
            raise FaultFailed(f"sign-up: {answer.status_code} {answer.text[:300]}")
        return time.monotonic() - started

    def close(self) -> None:
        self.client.close()
        super().close()


class Publisher:
    """A process that publishes as contexts do. One order at a time."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._errors = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.publish"], cwd=ROOT, env=dict(environment), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        self._answers: queue.Queue[str] = queue.Queue()
        self.busy = False
        """Whether an order is without its last answer."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def order(self, do: str, **arguments: Any) -> None:
        """Give an order and return at once."""
        self.busy = True
        self.say(json.dumps({"do": do, **arguments}))

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    @property
    def answered(self) -> bool:
        return not self._answers.empty()

    def answer(self, *, within: float = 120) -> dict[str, Any]:
        """Wait for the answer to the order.

        Raises:
            FaultFailed: there was none, or it was an error.
        """
        try:
            line = self._answers.get(timeout=within)
        except queue.Empty:
            raise FaultFailed(f"the publisher did not answer within {within:.0f} s") from None
        answer: dict[str, Any] = json.loads(line or '{"error": "the publisher has ended"}')
        self.busy = "written" in answer
        if "error" in answer:
            raise FaultFailed(f"the publisher failed: {answer['error']}")
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()


def environment_of(folder: Path, broker_url: str, contexts: tuple[str, ...]) -> dict[str, str]:
    """Return the environment of every process: a database server of its own, whatever ours says."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "DEBUG": "0",
        "LOG_LEVEL": "INFO",
        "VAR_DIR": str(folder),
        "BROKER_URL": broker_url,
        "CACHE_URL": "locmemcache://",
        "DATABASE_URL": "",
        "CONTEXTS": "",
        **{f"{context.upper()}_DATABASE_URL": "" for context in contexts},
    }
