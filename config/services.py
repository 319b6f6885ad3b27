"""The six services, their databases, the back office and the queues on one machine: what each process is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from config.routes import BACK_OFFICE, BACK_OFFICE_PORT
from ecommerce.db.configuration import QUEUES_URL, broker_database, databases
from ecommerce.messaging.broker import BrokerUnavailable
from ecommerce.messaging.rabbitmq import RabbitBroker
from ecommerce.topology import Topology

USUAL_RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"
NOT_FOR_ALL = ("DATABASE_URL", "CONTEXTS", "BACK_OFFICE", "JWT_PRIVATE_KEY")
"""Variables that a service gets only where it is told so."""
PAYING = ("order", BACK_OFFICE)
"""Who speaks with the payment gateway: orders, and the back office when staff refunds."""
USERS = {
    "SANDBOX_PSP_API_KEY": PAYING,
    "SANDBOX_PSP_WEBHOOK_SECRET": PAYING,
    "STRIPE_API_KEY": PAYING,
    "STRIPE_WEBHOOK_SECRET": PAYING,
    "SMS_TOKEN": ("notification",),
    "EMAIL_URL": ("identity", "notification", BACK_OFFICE),
}
"""By variable, who gets it: whoever speaks with that other party."""


@dataclass(frozen=True)
class Services:
    """An installation in six services. ``common`` is the environment that all of its processes share in."""

    topology: Topology
    common: Mapping[str, str]
    var_dir: Path
    first_port: int = BACK_OFFICE_PORT
    """Of the back office; the contexts' follow."""

    @property
    def ports(self) -> dict[str, int]:
        """Return the port of each web process, the back office's first."""
        moved = self.first_port - BACK_OFFICE_PORT
        ports = {context.name: context.port + moved for context in self.topology.contexts}
        return {BACK_OFFICE: self.first_port, **ports}

    @property
    def urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def environment_of(self, name: str) -> dict[str, str]:
        """Return all that the processes of a context, or of the back office, see: its own database, the addresses of
        the others, and the secrets of the other parties that it speaks with. What all services sign and encrypt with
        for themselves (``SECRET_KEY``) is the same here, as this is one machine."""
        own = {
            "PORT": str(self.ports[name]),
            "TRUSTED_PROXY_COUNT": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(self.var_dir / "metrics" / name),
            "BEAT_SCHEDULE": str(self.var_dir / f"celerybeat-schedule-{name}"),
            "JWT_PRIVATE_KEY": settings.JWT_PRIVATE_KEY if name == "identity" else "",
            "JWT_PUBLIC_KEYS": "".join(settings.JWT_PUBLIC_KEYS.values()),
        }
        given = {key: value for key, value in self.common.items() if name in USERS.get(key, ())}
        return {
            **self.for_anybody(),
            **given,
            **own,
            **(self._back_office() if name == BACK_OFFICE else self._context(name)),
        }

    def for_anybody(self) -> dict[str, str]:
        """Return the part of the environment that is nobody's secret."""
        return {key: value for key, value in self.common.items() if not _private(key)}

    def for_the_payment_gateway(self) -> dict[str, str]:
        sandbox = {key: value for key, value in self.common.items() if key.startswith("SANDBOX_PSP_")}
        return {**self.for_anybody(), **sandbox}

    def preparation(self) -> dict[str, str]:
        """Return the environment for making and filling all databases: the back office's, and the administrators."""
        administrators = {
            name: value
            for name, value in self.common.items()
            if name == "DATABASE_URL" or name.endswith("_ADMINISTRATOR_URL")
        }
        return {**self.environment_of(BACK_OFFICE), **administrators}

    def databases(self) -> list[Mapping[str, Any]]:
        """Return every database that is used, as in ``settings.DATABASES``."""
        env = self.preparation()
        configured = databases(self.topology, env=env, var_dir=self.var_dir)
        queues = broker_database(configured, env=env, var_dir=self.var_dir, broker_url=self.common["BROKER_URL"])
        return [*configured.values(), queues]

    def _context(self, name: str) -> dict[str, str]:
        variable = f"{name.upper()}_DATABASE_URL"
        others = {f"{other.upper()}_URL": url for other, url in self.urls.items() if other not in (name, BACK_OFFICE)}
        keys = {"SERVICE_KEYS_DIR": str(self.var_dir / "service-keys" / name)}
        return {"CONTEXTS": name, "BACK_OFFICE": "false", variable: self.common[variable], **others, **keys}

    def _back_office(self) -> dict[str, str]:
        urls = {f"{context.name.upper()}_DATABASE_URL" for context in self.topology.contexts}
        return {"BACK_OFFICE": "only", "EVENT_THREADS": "", **{url: self.common[url] for url in urls}}


def _private(variable: str) -> bool:
    of_a_context = variable.endswith(("_DATABASE_URL", "_ADMINISTRATOR_URL")) and variable != QUEUES_URL
    return of_a_context or variable in NOT_FOR_ALL or variable in USERS


def usual_broker() -> str:
    """Return the URL of the broker to use when none is named: RabbitMQ where one answers as usual, else PGMQ."""
    try:
        RabbitBroker(USUAL_RABBITMQ).check()
    except BrokerUnavailable:
        return "pgmq://"
    return USUAL_RABBITMQ
