"""Health and metrics of a process that serves no requests: the same addresses that a web process has, and no others."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.handlers.wsgi import WSGIHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATHS = frozenset({"/health", "/ready", "/live", "/metrics"})


class Endpoint(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    timeout = 10
    """Seconds that a client may take for its request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


def serve(port: int, *, host: str = "") -> Endpoint:
    """Answer on ``port`` from a thread, until ``shutdown`` and ``server_close``. Port 0 takes a free one."""
    endpoint = make_server(host, port, _only_these(WSGIHandler()), Endpoint, Silent)
    threading.Thread(target=endpoint.serve_forever, name="endpoint", daemon=True).start()
    return endpoint


def _only_these(application: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PATHS:
            return application(environ, start_response)
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]

    return answer
