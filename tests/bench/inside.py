"""``python -m tests.bench.inside``: what requests cost inside one web process. Run it in an installation's environment.

Prints JSON: the SQL statements of each request, in order, and the processor time of a whole purchase.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import django

from tests.bench.journeys import API, LIST, Flow, buying
from tests.bench.load import Answer
from tests.bench.shop import CONTEXTS, Product

STEPS = ("open cart", "add line", "add second line", "preview", "checkout")
WARM_UP = 5
PURCHASES = 40


def main() -> None:
    products = [Product(*pair) for pair in json.loads(sys.argv[1])]
    django.setup()
    web = Web()
    buy = buying(products)
    for number in range(WARM_UP):
        web.follow(buy(number))
    requests = {
        "list": web.statements_of(LIST),
        "detail": web.statements_of(f"{API}/products/{products[0].slug}"),
    }
    purchase = web.follow(buy(WARM_UP))
    requests |= dict(zip(STEPS, purchase, strict=True))
    started = time.process_time()
    for number in range(PURCHASES):
        web.follow(buy(number), counted=False)
    spent = (time.process_time() - started) / PURCHASES * 1000
    print(json.dumps({"statements": requests, "purchase_ms": round(spent, 2)}))
    sys.stdout.flush()
    os._exit(0)


class Web:
    """The web application in this process, asked through Django's test client."""

    def __init__(self) -> None:
        from django.conf import settings
        from django.test import Client

        settings.ALLOWED_HOSTS = ["*"]
        self._client = Client()

    def statements_of(self, path: str) -> list[str]:
        with recorded() as statements:
            self._client.get(path)
        return statements

    def follow(self, flow: Flow, *, counted: bool = True) -> list[list[str]]:
        """Carry a flow through and return the statements of each of its requests."""
        counts: list[list[str]] = []
        request = next(flow)
        while True:
            with recorded() if counted else _nothing() as statements:
                answer = self._answer(request)
            counts.append(statements)
            try:
                request = flow.send(answer)
            except StopIteration:
                return counts

    def _answer(self, request: bytes) -> Answer:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        method, path, _ = first.split(" ")
        response: Any = self._client.generic(
            method, urlsplit(path).path, body, content_type=headers.pop("Content-Type", ""), headers=headers
        )
        return Answer(response.status_code, response.content)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record the statements that this thread sends to any database, each after the name of its alias."""
    from django.db import connections

    statements: list[str] = []

    def note(alias: str) -> Any:
        def execute(run: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            statements.append(f"{alias}: {' '.join(str(sql).split())}")
            return run(sql, params, many, context)

        return execute

    with ExitStack() as stack:
        for alias in CONTEXTS:
            stack.enter_context(connections[alias].execute_wrapper(note(alias)))
        yield statements


@contextmanager
def _nothing() -> Iterator[list[str]]:
    yield []


if __name__ == "__main__":
    main()
