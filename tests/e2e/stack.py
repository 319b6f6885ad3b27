"""A whole installation of its own, in one of its shapes, on free ports, with a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from random import Random

import httpx
import psutil

from ecommerce.db.configuration import one_database_each
from ecommerce.topology import Topology

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 300
STOP_SECONDS = 60
RATE_LIMITS = (
    "THROTTLE_ANON", "THROTTLE_USER", "THROTTLE_LOGIN", "THROTTLE_CODE", "THROTTLE_LOOKUP",
    "LOGIN_FAILED_RATE_LIMIT", "SIGNUP_RATE_LIMIT", "PASSWORD_RESET_RATE_LIMIT",
)  # fmt: skip
"""Every variable that holds one."""
CONTEXTS = ("identity", "catalog", "cart", "order", "promotion", "notification")
"""In the order of their ports."""
BACK_OFFICE = "back-office"
SUBSCRIPTIONS = """
import json
from ecommerce.inbox.registry import handlers
print(json.dumps({handler.name: handler.event.type for handler in handlers()}))
"""


class Shape(StrEnum):
    """How an installation runs; the code is the same."""

    ONE = "one"
    """One process holds all contexts: ``manage.py run``."""
    SERIALISED = "serialised"
    """The same, and what contexts tell each other goes through the codec as if it were sent."""
    SERVICES = "services"
    """A process, a worker and a database for each context: ``manage.py run_services``."""


class StackFailed(Exception):
    """The installation did not come up, or ended by itself; the text holds the end of its log."""


@dataclass(frozen=True)
class Stack:
    url: str
    psp_url: str
    psp_api_key: str
    var_dir: Path
    log: Path
    environment: dict[str, str]
    pid: int = 0
    """Of the process that supervises the others."""
    shape: Shape = Shape.ONE
    services: Mapping[str, str] = field(default_factory=dict)
    """The URL of each service and of the back office when there are six."""

    @property
    def web(self) -> list[str]:
        """Return the URL of each web server itself, behind any gateway: ``/ready`` and ``/metrics`` are there."""
        return list(self.services.values()) or [self.url]

    def metrics(self) -> str:
        """Return what all web servers have counted."""
        return "\n".join(httpx.get(f"{url}/metrics", timeout=30).text for url in self.web)

    def manage(self, *arguments: str) -> str:
        """Run a management command of this installation and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackFailed(f"manage.py {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def subscriptions(self) -> dict[str, str]:
        """Return which event each handler listens to."""
        found: dict[str, str] = json.loads(self.manage("shell", "--command", SUBSCRIPTIONS).splitlines()[-1])
        return found

    def web_processes(self, *, older_than: float = 0.0, of: Collection[str] = ()) -> list[int]:
        """Return the processes that answer requests, for so many seconds, without those that watch over them: all, or
        where there are six services those ``of`` some."""
        everything = psutil.Process(self.pid).children(recursive=True)
        family = [child for child in everything if "granian" in " ".join(command_of(child))]
        ports = {_port(url) for name, url in self.services.items() if name in of}
        watching = [each for each in family if not ports or ports & set(command_of(each))]
        born = time.time() - older_than
        return [child.pid for child in family if child.parent() in watching and child.create_time() <= born]


@contextmanager
def running(
    *,
    demo: bool = False,
    web_workers: int | None = None,
    folder: Path | None = None,
    shape: Shape = Shape.ONE,
    **environment: str,
) -> Iterator[Stack]:
    """Start an installation, wait until it is ready, and stop and remove it afterwards.

    ``web_workers`` are those of one process or of each service: 2 and 1 unless given. With ``folder`` it works on the
    data there, and leaves them. ``environment`` is added to that of its processes (``EMAIL_URL``, ``BROKER_URL``, …).
    Rate limits are off.

    Raises:
        StackFailed
    """
    keep = folder is not None or bool(os.environ.get("KEEP_STACK"))
    stack = planned(folder or new_folder(), shape, **environment)
    command = [sys.executable, "manage.py", *command_line(stack)]
    command += ["--web-workers", str(web_workers)] if web_workers else []
    command += [] if demo else ["--no-demo"]
    with stack.log.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=log, stderr=subprocess.STDOUT)
    stack = replace(stack, pid=process.pid)
    try:
        await_ready(stack, process)
        yield stack
    finally:
        _stop(process)
        subprocess.run(
            [sys.executable, "manage.py", "db", "stop"], cwd=ROOT, env=stack.environment, check=False,
            capture_output=True,
        )  # fmt: skip
        if not keep:
            shutil.rmtree(stack.var_dir, ignore_errors=True)


def new_folder() -> Path:
    """Make a data directory that the account of the embedded PostgreSQL can reach."""
    folder = Path(tempfile.mkdtemp(prefix="shop-"))
    folder.chmod(0o711)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def shape_environment(shape: Shape) -> dict[str, str]:
    """Return what a shape adds to the environment of every process."""
    return {"CALLS_ROUND_TRIP": "1"} if shape is Shape.SERIALISED else {}


def free_ports(number: int) -> int:
    """Return the first of ``number`` free ports in a row, below those that the system itself gives out."""
    for first in Random().sample(range(10_000, 32_000), 200):
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + number):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise StackFailed(f"no {number} free ports in a row")


def planned(folder: Path, shape: Shape, **environment: str) -> Stack:
    """Return an installation that is not started: its ports, and its environment with what is added to that."""
    port, psp_port = free_port(), free_port()
    api_key = "sk_sandbox_of_this_run"
    settings = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "DEBUG": "0",
        "STATUS_PAGE": "1",
        "LOG_LEVEL": "WARNING",
        "VAR_DIR": str(folder),
        **dict.fromkeys(RATE_LIMITS, ""),
        "SANDBOX_PSP_API_KEY": api_key,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        **shape_environment(shape),
        **environment,
    }
    stack = Stack(
        f"http://127.0.0.1:{port}", f"http://127.0.0.1:{psp_port}", api_key, folder, folder / "run.log", settings,
        shape=shape,
    )  # fmt: skip
    return _divided(stack) if shape is Shape.SERVICES else stack


def _divided(stack: Stack) -> Stack:
    """Give every context a port and a database of its own, by the broker that the environment names, or PGMQ."""
    first = free_ports(1 + len(CONTEXTS))
    urls = {name: f"http://127.0.0.1:{port}" for port, name in enumerate((BACK_OFFICE, *CONTEXTS), start=first)}
    env = {**stack.environment, "BROKER_URL": stack.environment.get("BROKER_URL") or "pgmq://"}
    topology = Topology.from_environment({}, ports=dict.fromkeys(CONTEXTS, 0))
    env |= one_database_each(env, topology, var_dir=stack.var_dir)
    return replace(stack, environment=env, services=urls)


def command_line(stack: Stack) -> list[str]:
    """Return the management command that starts it, with its demo data."""
    ports = ["--port", _port(stack.url), "--psp-port", _port(stack.psp_url)]
    if stack.shape is not Shape.SERVICES:
        return ["run", *ports]
    return ["run_services", *ports, "--first-port", _port(stack.services[BACK_OFFICE]), "--no-limits"]


def _port(url: str) -> str:
    return url.rpartition(":")[2]


def await_ready(stack: Stack, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until every web server is ready.

    Raises:
        StackFailed: they are not in time, or the process that supervises them has ended.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process and process.poll() is not None:
            raise StackFailed(f"the installation ended with {process.returncode}:\n{_tail(stack.log)}")
        if all(map(_is_ready, stack.web)) and (not stack.services or _answers(f"{stack.url}/")):
            return
        time.sleep(0.2)
    raise StackFailed(f"not ready within {READY_SECONDS} s:\n{_tail(stack.log)}")


def _is_ready(url: str) -> bool:
    return _answers(f"{url}/ready")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
