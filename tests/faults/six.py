"""Six services, each process of them started, killed, stopped and started again by itself."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from ecommerce.db.embedded import Server, locate
from tests.bench.shop import OWN_DATABASE
from tests.e2e.stack import ROOT, Shape, Stack, await_ready, command_line, new_folder, planned
from tests.faults.brokers import Rabbit
from tests.faults.processes import FaultFailed, Supervised, until
from tests.races.arena import Arena, Post, entered

if TYPE_CHECKING:
    from tests.faults.rig import Rig

READY_SECONDS = 120


class Process(Supervised):
    """A line of the Procfile, with the processes that it starts in turn."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        super().__init__([command], environment, log)

    def _program(self) -> list[str]:
        return ["/bin/sh", "-c", f"exec {self._command[0]}"]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them, the first one first, so that it starts no others meanwhile."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.pid)
            family = [first, *first.children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()


class Six:
    """An installation with a database server, a mail server and books of its own; only the broker is the rig's. It is
    removed with the fault."""

    def __init__(self, rig: Rig) -> None:
        self._opened = ExitStack()
        self._rabbit = rig.broker if isinstance(rig.broker, Rabbit) else None
        rig.on_close(self._opened.close)
        folder, post = new_folder(), Post()
        self._opened.callback(shutil.rmtree, folder, ignore_errors=True)
        post.start()
        self._opened.callback(post.stop)
        environment = {**OWN_DATABASE, "BROKER_URL": rig.broker.url, "EMAIL_URL": post.url, "LOG_LEVEL": "INFO"}
        self.stack = planned(folder, Shape.SERVICES, **environment)
        server = Server(locate(folder, self.stack.environment))
        server.start()
        self._opened.callback(server.stop)
        self.processes = {name: self._start(*rest) for name, *rest in _programs(self.stack)}
        await_ready(self.stack)
        self.arena: Arena = self._opened.enter_context(entered(self.stack, post))
        self.arena.begin()

    def _start(self, command: str, environment: Mapping[str, str]) -> Process:
        name = environment.get("CONTEXTS") or "others"
        process = Process(command, environment, self.stack.var_dir / f"{name}.log")
        self._opened.callback(process.kill)
        return process

    def of(self, service: str) -> list[Process]:
        """Return the web process, the worker and the scheduler of a service."""
        return [process for name, process in self.processes.items() if name.partition(".")[0] == service]

    def kill(self, service: str) -> None:
        """End a service with its worker and its scheduler, as a power failure would."""
        for process in self.of(service):
            process.kill()

    def stop(self, service: str) -> None:
        """Let a service stand still: it takes connections and says nothing."""
        for process in self.of(service):
            process.signal(signal.SIGSTOP)

    def bring_back(self, service: str) -> None:
        """Start a service that was killed, or let one go on that stands still, and wait until it is ready."""
        for process in self.of(service):
            process.signal(signal.SIGCONT)
            process.revive()
        url = f"{self.stack.services[service]}/ready"
        until(lambda: _status(url) == 200, f"{service} is back", within=READY_SECONDS)

    def backlog(self, service: str) -> int:
        """Return how many events wait for a service in its queue, or are in its hands."""
        queue = f"{service}_events"
        return self._rabbit.messages().get(queue, 0) if self._rabbit else self.arena.books.queued(queue)

    def log(self, service: str) -> str:
        return (self.stack.var_dir / f"{service}.log").read_text(errors="replace")

    def figures(self, service: str, name: str) -> dict[str, float]:
        """Return the values of a metric of a service, its worker's among them, by their labels as they are written."""
        lines = httpx.get(f"{self.stack.services[service]}/metrics", timeout=30).text.splitlines()
        values = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return {labels.removeprefix(name): float(value) for labels, _, value in values}

    def breaker(self, service: str, neighbour: str) -> float:
        """Return what a service last knew of the circuit to a neighbour: 0 closed, 1 half open, 2 open."""
        return self.figures(service, "call_breaker_state").get(f'{{context="{neighbour}"}}', 0.0)


def _programs(stack: Stack) -> Iterator[list[Any]]:
    command = [sys.executable, "-m", "tests.faults.programs", *command_line(stack)]
    done = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FaultFailed(f"the services could not be prepared: {done.stderr[-2000:]}")
    for line in done.stdout.splitlines():
        if line.startswith("["):
            yield json.loads(line)


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0
