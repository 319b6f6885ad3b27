"""Where every context's data lives, read from the environment.

Settings import this module, so nothing here may read settings while it is being imported.

==========================  =========================================================================================
``<CONTEXT>_DATABASE_URL``  the database of one context, with the credentials that its service uses
``DATABASE_URL``            an administrator of a PostgreSQL server; every context without a URL of its own lives in the
                            database it names (``postgres`` means ``ecommerce``) as its own role, its password derived
neither                     the embedded server below ``var_dir``
``BROKER_DATABASE_URL``     the database of the PGMQ queues, where ``BROKER_URL`` is ``pgmq://`` and names none itself
==========================  =========================================================================================

An administrator is needed to create databases, roles and schemas only. For a context with its own URL it is the one of
``DATABASE_URL`` when that names the same server, else ``<CONTEXT>_ADMINISTRATOR_URL``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ecommerce.db.embedded.location import locate
from ecommerce.topology import Topology

ENGINE = "ecommerce.db.engine"
DATABASE = "ecommerce"
"""The database that holds the contexts when the URL names none, or only the server's maintenance database."""
MAINTENANCE_DATABASE = "postgres"
BROKER_ROLE = "broker_service"
QUEUES_URL = "BROKER_DATABASE_URL"
POOL = {"min_size": 0, "max_size": 16, "num_workers": 1, "timeout": 5, "max_idle": 120, "reconnect_timeout": 3}
"""Per alias and process. A web process with one thread uses one or two; a worker's relay, consumers and tasks up to a
dozen at once. A pool that fails to connect doubles its pauses until ``reconnect_timeout`` and begins nothing else, so a
long one would keep a database that is back out of use for minutes."""

PREPARED = {"server_side_binding": True, "prepare_threshold": 2}
"""Statements that a connection sends for the third time are planned once and kept by the server."""

Parameters = dict[str, Any]
"""libpq connection parameters by keyword."""


class NoAdministrator(Exception):
    """Something needs an administrator of a server, and the environment names none."""


def databases(topology: Topology, *, env: Mapping[str, str], var_dir: Path) -> dict[str, dict[str, Any]]:
    """Return ``settings.DATABASES``: an empty ``default`` and one alias per local context.

    The key ``ADMINISTRATOR`` of an alias holds the connection parameters of an administrator of its server, empty when
    none is known; the key ``SCHEMA`` the schema it owns.

    Raises:
        ImproperlyConfigured: a URL cannot be read.
    """
    configured: dict[str, dict[str, Any]] = {"default": {}}
    for context in topology.local:
        prefix = context.name.upper()
        service, administrator = _service_of(f"{prefix}_DATABASE_URL", context.role, env=env, var_dir=var_dir)
        administrator = _parse(f"{prefix}_ADMINISTRATOR_URL", env) or administrator
        configured[context.alias] = _settings(service) | {"SCHEMA": context.schema, "ADMINISTRATOR": administrator}
    return configured


def broker_database(
    configured: Mapping[str, Mapping[str, Any]], *, env: Mapping[str, str], var_dir: Path, broker_url: str
) -> dict[str, Any]:
    """Return the database that holds the PGMQ queues, in the shape of one entry of :func:`databases`.

    It is the one that ``broker_url`` (``pgmq://user:password@host:port/database``) names, or with a bare ``pgmq://``
    the one of ``BROKER_DATABASE_URL``, or else that contexts without a URL of their own live in. The key
    ``SHARED_WITH`` lists the aliases of ``configured`` in the same database, so that tests find the queues in the test
    database. Empty when the broker is not PGMQ.
    """
    if not broker_url.startswith("pgmq:"):
        return {}
    named = broker_url.removeprefix("pgmq:")
    chosen = {QUEUES_URL: f"postgresql:{named}"} if named.strip("/") else {}
    service, administrator = _service_of(QUEUES_URL, BROKER_ROLE, env={**env, **chosen}, var_dir=var_dir)
    broker = _settings(service)
    place = ("HOST", "PORT", "NAME")
    shared = [alias for alias, each in configured.items() if each and all(each[key] == broker[key] for key in place)]
    return broker | {"SCHEMA": "pgmq", "ADMINISTRATOR": administrator, "SHARED_WITH": shared}


def one_database_each(env: Mapping[str, str], topology: Topology, *, var_dir: Path) -> dict[str, str]:
    """Return the URLs of an installation in which every context has a database of its own, as far as ``env`` does not
    name them: ``identity_db`` and so on, and ``queues_db`` for PGMQ, on the server of ``DATABASE_URL`` or the embedded
    one.

    The name of a database in ``DATABASE_URL`` goes before theirs, so that installations can share a server.
    """
    whole = databases(topology, env=env, var_dir=var_dir)
    wanted = {f"{each.name.upper()}_DATABASE_URL": _url(whole[each.alias], each.name) for each in topology.contexts}
    if not env["BROKER_URL"].removeprefix("pgmq:").strip("/"):
        wanted[QUEUES_URL] = _url(whole[topology.contexts[0].alias] | {"USER": BROKER_ROLE}, "queues")
    return {variable: env.get(variable) or url for variable, url in wanted.items()}


def context_databases() -> dict[str, dict[str, Any]]:
    """Return the entries of ``settings.DATABASES`` that belong to a local context, by alias."""
    from django.conf import settings

    return {alias: database for alias, database in settings.DATABASES.items() if "SCHEMA" in database}


def administrator_dsn(alias: str | None = None, *, dbname: str = MAINTENANCE_DATABASE) -> str:
    """Return the connection string of an administrator of the server of ``alias`` (default: the first local context).

    Raises:
        NoAdministrator
    """
    configured = context_databases()
    database = configured[alias] if alias else next(iter(configured.values()))
    return make_conninfo("", **administrator_of(database, dbname=dbname))


def administrator_of(database: Mapping[str, Any], *, dbname: str) -> Parameters:
    """Return the administrator's parameters for ``dbname`` on the server of one entry of ``DATABASES``.

    Raises:
        NoAdministrator
    """
    administrator: Parameters = database["ADMINISTRATOR"]
    if not administrator:
        raise NoAdministrator(
            f"no administrator is known for the server of {database['USER']} ({database['HOST']}:{database['PORT']}): "
            "set DATABASE_URL or <CONTEXT>_ADMINISTRATOR_URL"
        )
    return {**administrator, "dbname": dbname}


def connection_parameters(database: Mapping[str, Any]) -> Parameters:
    """Return the parameters with which the role of one entry of ``DATABASES`` connects."""
    options = {name: value for name, value in database["OPTIONS"].items() if name not in {"pool", *PREPARED}}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return options | {name: database[key] for name, key in named.items() if database[key]}


def role_password(role: str, env: Mapping[str, str]) -> str:
    """Return the password of a role on the server of ``DATABASE_URL``: derived, so that it is stored nowhere.

    Empty without a secret, which only a server that trusts the connection accepts.
    """
    secret = env.get("DATABASE_ROLE_SECRET") or env.get("SECRET_KEY", "")
    return hmac.digest(secret.encode(), f"postgresql role {role}".encode(), hashlib.sha256).hex() if secret else ""


def _service_of(variable: str, role: str, *, env: Mapping[str, str], var_dir: Path) -> tuple[Parameters, Parameters]:
    """Return the parameters of a service's role and those of the administrator of the same server."""
    server = locate(var_dir, env)
    embedded = {"host": str(server.sockets), "port": str(server.port)}
    shared = _parse("DATABASE_URL", env)
    service = _parse(variable, env)
    if service:
        service.setdefault("user", role)
        service.setdefault("dbname", DATABASE)
        if _address(service) == _address(embedded):
            return service, {**embedded, "user": "postgres"}
        service.setdefault("password", role_password(role, env))
        return service, shared if shared and _address(shared) == _address(service) else {}
    if shared:
        named = shared.get("dbname", MAINTENANCE_DATABASE)
        dbname = DATABASE if named == MAINTENANCE_DATABASE else named
        return {**shared, "user": role, "password": role_password(role, env), "dbname": dbname}, shared
    return {**embedded, "user": role, "dbname": DATABASE}, {**embedded, "user": "postgres"}


def _parse(variable: str, env: Mapping[str, str]) -> Parameters:
    """Return the parameters in a URL, empty when the variable is not set.

    Raises:
        ImproperlyConfigured: it is not a URL that PostgreSQL's own library understands.
    """
    if not env.get(variable):
        return {}
    try:
        return {"host": "localhost", "port": "5432", **conninfo_to_dict(env[variable])}
    except psycopg.ProgrammingError as error:
        form = "postgresql://user:password@host:port/database"
        raise ImproperlyConfigured(f"{variable} is not of the form {form}") from error


def _url(database: Mapping[str, Any], name: str) -> str:
    """Return the URL of another database on the same server, without a password, which is derived from the role."""
    named = f"{name}_db" if database["NAME"] == DATABASE else f"{database['NAME']}_{name}_db"
    options = {key: value for key, value in database["OPTIONS"].items() if isinstance(value, str)}
    query = urlencode({"host": database["HOST"], "port": database["PORT"], **options}, safe="/")
    return f"postgresql://{quote(database['USER'])}@/{quote(named)}?{query}"


def _address(parameters: Parameters) -> tuple[str, str]:
    return parameters["host"], parameters["port"]


def _settings(service: Parameters) -> dict[str, Any]:
    known = {"user", "password", "host", "port", "dbname"}
    return {
        "ENGINE": ENGINE,
        "NAME": service["dbname"],
        "USER": service["user"],
        "PASSWORD": service.get("password", ""),
        "HOST": service["host"],
        "PORT": service["port"],
        "CONN_MAX_AGE": 0,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"pool": dict(POOL), **PREPARED}
        | {name: value for name, value in service.items() if name not in known},
        "TEST": {"DEPENDENCIES": []},
    }
