"""Kong in front of six services: its declarative configuration, without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from config.documents_format import Document
from config.routes import BACK_OFFICE, BACK_OFFICE_PORT, Owner, Route, routes
from ecommerce.topology import Topology

PER_CLIENT = {"minute": 100, "hour": 1000}
PER_CLIENT_AT_MOST = {"minute": 6000}
"""For what is not counted: a bound against floods only."""
CONSUMER = "customers"
ANSWER_SECONDS = 60
CONNECT_SECONDS = 3


def kong_configuration(topology: Topology) -> Document:
    """Return the configuration without keys: where nobody gets in without a token, nobody gets in.

    Elsewhere guests pass, and the service looks at the token of who has one.
    """
    table = sorted(routes(), key=lambda route: route.owner.name)
    ports = {BACK_OFFICE: BACK_OFFICE_PORT, **{context.name: context.port for context in topology.contexts}}
    return {
        "_format_version": "3.0",
        "_transform": True,
        "services": [
            _service(name, ports[name], list(rows)) for name, rows in groupby(table, key=lambda row: row.owner.name)
        ],
        "plugins": [_rate_limit(PER_CLIENT)],
        "consumers": [{"username": CONSUMER, "jwt_secrets": []}],
    }


def with_keys(configuration: Document, keys: Mapping[str, str]) -> Document:
    """Return a configuration that lets in whose token one of ``keys`` signed: public keys (PEM) by ``kid``."""
    secrets = [{"key": kid, "algorithm": "RS256", "rsa_public_key": pem} for kid, pem in sorted(keys.items())]
    return {**configuration, "consumers": [{"username": CONSUMER, "jwt_secrets": secrets}]}


def _service(name: str, port: int, rows: Sequence[Route]) -> Document:
    return {
        "name": name,
        "url": f"http://{name}:{port}",
        "connect_timeout": CONNECT_SECONDS * 1000,
        "read_timeout": ANSWER_SECONDS * 1000,
        "write_timeout": ANSWER_SECONDS * 1000,
        "retries": 1,
        "routes": [_route(row) for row in rows],
    }


def _route(row: Route) -> Document:
    plugins = [_token()] if row.authenticated else []
    if not row.owner.limited:
        plugins.append(_rate_limit(PER_CLIENT_AT_MOST))
    return {
        "name": _name(row.owner, row.path),
        "paths": ["~/$" if row.exact else row.path],
        "strip_path": False,
        "preserve_host": True,
        **({"plugins": plugins} if plugins else {}),
    }


def _name(owner: Owner, path: str) -> str:
    return "-".join([owner.name, *(part.strip("._") for part in path.split("/") if part)] if path != "/" else ["home"])


def _rate_limit(limits: Mapping[str, int]) -> Document:
    """Counted in Redis for all of Kong's processes. Without Redis nobody is limited here; the services limit, too."""
    return {
        "name": "rate-limiting",
        "config": {
            **limits,
            "limit_by": "ip",
            "policy": "redis",
            "fault_tolerant": True,
            "redis": {"host": "redis", "port": 6379, "database": 1},
        },
    }


def _token() -> Document:
    return {
        "name": "jwt",
        "config": {
            "key_claim_name": "kid",
            "claims_to_verify": ["exp"],
            "uri_param_names": [],
            "run_on_preflight": False,
        },
    }
