"""``python -m tests.faults.forking --port …``: the shop in processes that may die at no cost.

Every request has a process of its own, forked from one that has loaded the shop and touched no database. ``POST /work``
does what a worker does: it takes in webhooks, and runs the sagas that are due.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from socketserver import ForkingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Server(ForkingMixIn, WSGIServer):
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    from django.urls import get_resolver

    from config.wsgi import application

    assert get_resolver().url_patterns, "what is loaded here need not be loaded in every process"
    with make_server("127.0.0.1", parser.parse_args().port, _working(application), Server, Quiet) as server:
        server.serve_forever(poll_interval=0.05)


def _working(shop: Application) -> Application:
    from contexts.order.tasks import process_stored_webhooks
    from ecommerce.saga.tasks import resume_sagas

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/work":
            return shop(environ, start_response)
        done = process_stored_webhooks() + resume_sagas()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(done).encode()]

    return application


if __name__ == "__main__":
    sys.exit(main())
