"""Everything on one machine, from one command, until Ctrl-C: what the commands ``run`` and ``run_services`` share."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import honcho.manager
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from honcho.environ import parse_procfile
from honcho.printer import Printer

from ecommerce.db.embedded import Server, ServerError, locate

WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SHUTDOWN_SECONDS = 20
"""What a worker gets to finish the work in hand, before it is killed."""
DEMO_PASSWORD = "loja-demo-2026"  # noqa: S105 - these commands are for one's own machine
LOGINS = f"""
    back-office  admin@loja.example    / {DEMO_PASSWORD}
    cliente      cliente@loja.example  / {DEMO_PASSWORD}
"""


@dataclass(frozen=True)
class Program:
    """A process to run. ``environment`` is all that it sees."""

    name: str
    command: str
    environment: Mapping[str, str]


def refuse_taken_ports(ports: Iterable[int]) -> None:
    """Check that the ports are free, before anything is started.

    Raises:
        CommandError: something listens at one.
    """
    for port in ports:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise CommandError(f"Port {port} is taken. Stop what listens there, or choose another (see --help).")


def surroundings(*, port: int, psp_port: int, web_workers: int) -> dict[str, str]:
    """Return what the processes are told through their environment; what the caller set stays.

    ``port`` is where customers come in.
    """
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "VAR_DIR": str(settings.VAR_DIR),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PROMETHEUS_MULTIPROC_DIR": str(settings.VAR_DIR / "metrics"),
        "BEAT_SCHEDULE": str(settings.VAR_DIR / "celerybeat-schedule"),
        "SANDBOX_PSP_DATA": str(settings.VAR_DIR / "sandbox-psp"),
        "SANDBOX_PSP_URL": f"http://127.0.0.1:{psp_port}",
        "SANDBOX_PSP_API_KEY": f"sk_sandbox_{secrets.token_hex(16)}",
        "SANDBOX_PSP_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    chosen = {name: os.environ.get(name, value) for name, value in defaults.items()}
    ports = {"PORT": str(port), "SANDBOX_PSP_PORT": str(psp_port)}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**chosen, **ports, "WEB_WORKERS": str(web_workers), "PATH": programs}


def procfile() -> dict[str, str]:
    """Return name → command of the processes of an installation."""
    commands: dict[str, str] = parse_procfile((settings.BASE_DIR / "Procfile").read_text()).processes
    return commands


@contextmanager
def embedded_server(databases: Iterable[Mapping[str, Any]]) -> Iterator[None]:
    """Start the embedded PostgreSQL for the length of the block, unless it runs already or holds none of these.

    ``databases`` have the form of ``settings.DATABASES``; empty ones are passed over.

    Raises:
        CommandError: it does not start.
    """
    server = Server(locate(settings.VAR_DIR, os.environ))
    used = any(each and each["HOST"] == str(server.place.sockets) for each in databases)
    try:
        started = used and server.start()
    except ServerError as error:
        raise CommandError(str(error)) from error
    try:
        yield
    finally:
        if started:
            connections.close_all()
            server.stop()


def supervise(programs: Iterable[Program], *, announce: Callable[[], None]) -> int:
    """Run processes until one ends or the user stops them; return the exit code. ``announce`` runs beside them."""
    honcho.manager.KILL_WAIT = SHUTDOWN_SECONDS
    manager = honcho.manager.Manager(Printer(sys.stdout, colour=sys.stdout.isatty()))
    for program in programs:
        manager.add_process(
            program.name, in_shell(program.command), env=dict(program.environment), cwd=str(settings.BASE_DIR)
        )
    speaker = threading.Timer(1.0, announce)
    speaker.daemon = True
    speaker.start()
    manager.loop()
    stopped_by_user = manager.returncode in (130, 143)
    return 0 if stopped_by_user else manager.returncode or 0


def in_shell(command: str) -> str:
    """Return what a shell runs for a line of the Procfile, so that its ``nice`` counts.

    Linux weighs processes against others of their session, and sessions by their autogroup; each of ours begins one.
    """
    nice = re.match(r"nice -n (\d+) ", command)
    told = f"{{ echo {nice[1]} > /proc/self/autogroup; }} 2> /dev/null; " if nice else ""
    return f"{told}exec {command}"


def silent_after(urls: Iterable[str], *, seconds: float) -> list[str]:
    """Wait until all answer with 200, and return those that did not within that time."""
    deadline, silent = time.monotonic() + seconds, list(urls)
    while silent and time.monotonic() < deadline:
        silent = [url for url in silent if not answers(url)]
        if silent:
            time.sleep(0.2)
    return silent


def answers(url: str) -> bool:
    """Tell whether a GET of ``url`` is answered with 200 now."""
    try:
        with WITHOUT_PROXY.open(url, timeout=5) as response:
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False


def framed(text: str) -> str:
    """Return a text between two lines as wide as the terminal."""
    line = "─" * min(shutil.get_terminal_size().columns, 100)
    return line + text + line
