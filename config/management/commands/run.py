"""``manage.py run``: everything on one machine, from one command, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from config.running import (
    DEMO_PASSWORD,
    LOGINS,
    Program,
    embedded_server,
    framed,
    procfile,
    refuse_taken_ports,
    silent_after,
    supervise,
    surroundings,
)

READY_SECONDS = 60
BANNER = """
  A loja está no ar: {url}

    {url}/               visão ao vivo das partes e dos eventos
    {url}/api/docs/      documentação da API
    {url}/admin/         back-office
    {psp}                gateway de pagamentos de teste
{logins}
  Ctrl-C encerra tudo. Os dados ficam em {data}.
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
        port, psp_port, demo = options["port"], options["psp_port"], not options["no_demo"]
        refuse_taken_ports([port, psp_port])
        environment = surroundings(port=port, psp_port=psp_port, web_workers=options["web_workers"])
        os.environ.update(environment)
        with embedded_server([*settings.DATABASES.values(), settings.BROKER_DATABASE]):
            call_command("prepare", demo_password=DEMO_PASSWORD if demo else "", verbosity=0)
            connections.close_all()
            programs = [Program(name, command, dict(os.environ)) for name, command in procfile().items()]
            sys.exit(supervise(programs, announce=lambda: announce(environment, demo=demo)))


def announce(environment: dict[str, str], *, demo: bool) -> None:
    """Print where everything is, once ``/ready`` says that it is there."""
    url = f"http://127.0.0.1:{environment['PORT']}"
    if silent_after([f"{url}/ready"], seconds=READY_SECONDS):
        print(f"{url}/ready did not answer within {READY_SECONDS} s; see the log above.", file=sys.stderr, flush=True)
        return
    text = BANNER.format(
        url=url, psp=environment["SANDBOX_PSP_URL"], logins=LOGINS if demo else "", data=environment["VAR_DIR"]
    )
    print(framed(text), flush=True)
