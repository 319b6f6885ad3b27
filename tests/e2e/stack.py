"""A whole installation of its own: every process of ``manage.py run``, on free ports, with a directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 180
STOP_SECONDS = 60
RATE_LIMITS = (
    "THROTTLE_ANON", "THROTTLE_USER", "THROTTLE_LOGIN", "THROTTLE_CODE", "THROTTLE_LOOKUP",
    "LOGIN_FAILED_RATE_LIMIT", "SIGNUP_RATE_LIMIT", "PASSWORD_RESET_RATE_LIMIT",
)  # fmt: skip
"""Every variable that holds one."""


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

    def manage(self, *arguments: str) -> str:
        """Run a management command of this installation and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackFailed(f"manage.py {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout


@contextmanager
def running(
    *, demo: bool = False, web_workers: int = 2, folder: Path | None = None, **environment: str
) -> Iterator[Stack]:
    """Start an installation, wait until it is ready, and stop and remove it afterwards.

    With ``folder`` it works on the data there, and leaves them. ``environment`` is added to that of its processes
    (``EMAIL_URL``, ``BROKER_URL``, …). Rate limits are off.

    Raises:
        StackFailed
    """
    keep = folder is not None or bool(os.environ.get("KEEP_STACK"))
    stack = _stack(folder or new_folder(), environment)
    command = [sys.executable, "manage.py", "run", "--port", stack.url.rpartition(":")[2]]
    command += ["--psp-port", stack.psp_url.rpartition(":")[2], "--web-workers", str(web_workers)]
    command += [] if demo else ["--no-demo"]
    with stack.log.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=log, stderr=subprocess.STDOUT)
    stack = replace(stack, pid=process.pid)
    try:
        _await_ready(stack, process)
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


def _stack(folder: Path, environment: Mapping[str, str]) -> Stack:
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
        **environment,
    }
    return Stack(
        f"http://127.0.0.1:{port}", f"http://127.0.0.1:{psp_port}", api_key, folder, folder / "run.log", settings
    )


def _await_ready(stack: Stack, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackFailed(f"the installation ended with {process.returncode}:\n{_tail(stack.log)}")
        try:
            if httpx.get(f"{stack.url}/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise StackFailed(f"not ready within {READY_SECONDS} s:\n{_tail(stack.log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
