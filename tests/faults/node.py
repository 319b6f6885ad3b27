"""A RabbitMQ node of a rig's own: it can run out of memory, be killed and be started again, and nobody else notices."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.e2e.stack import free_port, new_folder

START_SECONDS = 90
LOOK = 0.1
FILES = {"enabled_plugins": "[].", "environment": "", "rabbitmq.conf": "listeners.tcp.local = 127.0.0.1:{port}\n"}


class NodeFailed(Exception):
    """The node did not start, or refused an order."""


class Node:
    """Whoever has the programs of RabbitMQ can start one: it needs no account and no right of the machine's own."""

    def __init__(self, programs: Path) -> None:
        self._programs, self._folder = programs, new_folder()
        self.port = free_port()
        name = f"faults-{self.port}@localhost"
        for file, text in FILES.items():
            (self._folder / file).write_text(text.format(port=self.port))
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")},
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "environment"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node unless it runs, and wait until it lets clients in.

        Raises:
            NodeFailed
        """
        if self._process is not None and self._process.poll() is None:
            return
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "rabbitmq-server"], env=self._environment, cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NodeFailed(f"RabbitMQ did not start: {(self._folder / 'output.log').read_text()[-600:]}")
            time.sleep(LOOK)

    def stop(self) -> None:
        """End it as an administrator would."""
        if self._process is not None:
            self.control("stop_app")
            self.kill()

    def kill(self) -> None:
        """End it, all of its processes at once, as a power failure would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl.

        Raises:
            NodeFailed
        """
        done = subprocess.run(
            [self._programs / "rabbitmqctl", "--quiet", *arguments], env=self._environment, cwd=self._folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NodeFailed(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout

    def _answers(self) -> bool:
        """Tell whether the node greets a client: it listens before it lets anybody in."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.settimeout(2)
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(probe.recv(1))
        except OSError:
            return False


def programs() -> Path | None:
    """Return the directory of RabbitMQ's own programs, or None. What Debian puts into the path hands on to them."""
    found = shutil.which("rabbitmq-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return Path(found).resolve().parent if found else None
