"""``manage.py run``: everything on one machine, from one command, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import honcho.manager
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from honcho.environ import parse_procfile
from honcho.printer import Printer

from ecommerce.db.embedded import Server, ServerError, locate
from ecommerce.observability.metrics import clear_directory

SHUTDOWN_SECONDS = 20
"""What a worker gets to finish the work in hand, before it is killed."""
READY_SECONDS = 60
PLACES = {"media": 0o755, "static": 0o755, "mail": 0o700}
"""Directories and who may look into them: mails hold addresses, and links that open accounts."""

BANNER = """
  A loja está no ar: {url}

    {url}/               visão ao vivo das partes e dos eventos
    {url}/api/docs/      documentação da API
    {url}/admin/         back-office
    {psp}                gateway de pagamentos de teste
{logins}
  Ctrl-C encerra tudo. Os dados ficam em {data}.
"""
DEMO_PASSWORD = "loja-demo-2026"  # noqa: S105 - this command is for one's own machine
LOGINS = f"""
    back-office  admin@loja.example    / {DEMO_PASSWORD}
    cliente      cliente@loja.example  / {DEMO_PASSWORD}
"""


class Command(BaseCommand):
    help = "Set up and start database, web server, worker, scheduler and sandbox payment gateway; stop all with Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", 8000)), help="of the web server")
        parser.add_argument("--psp-port", type=int, default=9100, help="of the sandbox payment gateway")
        parser.add_argument("--web-workers", type=int, default=2, help="web processes; about one per core")
        parser.add_argument("--no-demo", action="store_true", help="load no demo data")

    def handle(self, *args: Any, **options: Any) -> None:
        for port in (options["port"], options["psp_port"]):
            refuse_taken_port(port)
        environment = environment_of(options)
        os.environ.update(environment)
        with embedded_server():
            prepare(demo=not options["no_demo"])
            connections.close_all()
            sys.exit(supervise(environment, demo=not options["no_demo"]))


def refuse_taken_port(port: int) -> None:
    """Check that a port is free, before anything is started.

    Raises:
        CommandError: something listens there.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise CommandError(f"Port {port} is taken. Stop what listens there, or choose another (see --help).")


def environment_of(options: dict[str, Any]) -> dict[str, str]:
    """Return what the processes are told through their environment; what the caller set stays."""
    psp = f"http://127.0.0.1:{options['psp_port']}"
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "VAR_DIR": str(settings.VAR_DIR),
        "PUBLIC_URL": f"http://127.0.0.1:{options['port']}",
        "PROMETHEUS_MULTIPROC_DIR": str(settings.VAR_DIR / "metrics"),
        "SANDBOX_PSP_DATA": str(settings.VAR_DIR / "sandbox-psp"),
        "SANDBOX_PSP_URL": psp,
        "SANDBOX_PSP_API_KEY": f"sk_sandbox_{secrets.token_hex(16)}",
        "SANDBOX_PSP_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    chosen = {name: os.environ.get(name, value) for name, value in defaults.items()}
    ports = {"PORT": str(options["port"]), "SANDBOX_PSP_PORT": str(options["psp_port"])}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**chosen, **ports, "WEB_WORKERS": str(options["web_workers"]), "PATH": programs}


@contextmanager
def embedded_server() -> Iterator[None]:
    """Start the embedded PostgreSQL for the length of the block, unless it runs already or is not used."""
    server = Server(locate(settings.VAR_DIR, os.environ))
    used = any(each and each["HOST"] == str(server.place.sockets) for each in settings.DATABASES.values())
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


def prepare(*, demo: bool) -> None:
    """Bring databases, static files and demo data up to date. Idempotent."""
    call_command("bootstrap", verbosity=0)
    call_command("migrate_all", verbosity=0)
    clear_directory(settings.VAR_DIR / "metrics")
    for folder, mode in PLACES.items():
        (settings.VAR_DIR / folder).mkdir(parents=True, exist_ok=True, mode=mode)
    call_command("collectstatic", interactive=False, verbosity=0)
    if demo:
        call_command("load_demo_users", password=DEMO_PASSWORD, verbosity=0)
        for command in ("load_demo_catalog", "load_demo_promotions", "load_demo_shipping"):
            call_command(command, verbosity=0)


def supervise(environment: dict[str, str], *, demo: bool) -> int:
    """Run the processes of the Procfile until one ends or the user stops them; return the exit code."""
    honcho.manager.KILL_WAIT = SHUTDOWN_SECONDS
    manager = honcho.manager.Manager(Printer(sys.stdout, colour=sys.stdout.isatty()))
    procfile = parse_procfile((settings.BASE_DIR / "Procfile").read_text())
    for name, command in procfile.processes.items():
        manager.add_process(name, f"exec {command}", env={**os.environ, **environment}, cwd=str(settings.BASE_DIR))
    threading.Timer(1.0, announce, [environment, demo]).start()
    manager.loop()
    stopped_by_user = manager.returncode in (130, 143)
    return 0 if stopped_by_user else manager.returncode or 0


def announce(environment: dict[str, str], demo: bool) -> None:
    """Print where everything is, once ``/ready`` says that it is there."""
    url = f"http://127.0.0.1:{environment['PORT']}"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if answers(f"{url}/ready"):
            break
        time.sleep(0.2)
    else:
        print(f"{url}/ready did not answer within {READY_SECONDS} s; see the log above.", file=sys.stderr, flush=True)
        return
    width = min(shutil.get_terminal_size().columns, 100)
    text = BANNER.format(
        url=url, psp=environment["SANDBOX_PSP_URL"], logins=LOGINS if demo else "", data=environment["VAR_DIR"]
    )
    print("─" * width + text + "─" * width, flush=True)


def answers(url: str) -> bool:
    """Tell whether a GET of ``url`` is answered with 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False
