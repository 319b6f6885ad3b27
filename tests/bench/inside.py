"""``python -m tests.bench.inside``: what requests cost inside one web process. Run it in an installation's environment.

Prints JSON: the SQL statements of each request, in order, how many transactions they were, and the processor time of a
whole purchase.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import django

from tests.bench.journeys import API, LIST, Flow, buying
from tests.bench.load import Answer
from tests.bench.shop import CONTEXTS, Measured, Product
from tests.e2e.stack import ROOT

STEPS = ("open cart", "add line", "add second line", "preview", "checkout")
WARM_UP = 5
PURCHASES = 40


def counted(shop: Measured) -> dict[str, Any]:
    """Run this module in the environment of an installation and return what it prints."""
    products = json.dumps([[product.slug, product.variant_id] for product in shop.products])
    environment = {**shop.stack.environment, "SANDBOX_PSP_URL": shop.stack.psp_url}
    command = [sys.executable, "-m", "tests.bench.inside", products]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    products = [Product(*pair) for pair in json.loads(sys.argv[1])]
    django.setup()
    web = Web()
    buy = buying(products)
    for number in range(WARM_UP):
        web.follow(buy(number))
    requests = {
        "list": web.record_of(LIST),
        "detail": web.record_of(f"{API}/products/{products[0].slug}"),
    }
    purchase = web.follow(buy(WARM_UP))
    requests |= dict(zip(STEPS, purchase, strict=True))
    started = time.process_time()
    for number in range(PURCHASES):
        web.follow(buy(number), counted=False)
    spent = (time.process_time() - started) / PURCHASES * 1000
    found = {
        "statements": {step: record.statements for step, record in requests.items()},
        "commits": {step: record.commits for step, record in requests.items()},
        "purchase_ms": round(spent, 2),
    }
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


@dataclass
class Record:
    """What one request did: its statements, each after the name of its alias, and how many transactions they were."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0


class Web:
    """The web application in this process, asked through Django's test client."""

    def __init__(self) -> None:
        from django.conf import settings
        from django.test import Client

        settings.ALLOWED_HOSTS = ["*"]
        self._client = Client()

    def record_of(self, path: str) -> Record:
        with recorded() as record:
            self._client.get(path)
        return record

    def follow(self, flow: Flow, *, counted: bool = True) -> list[Record]:
        """Carry a flow through and return what each of its requests did."""
        records: list[Record] = []
        request = next(flow)
        while True:
            with recorded() if counted else _nothing() as record:
                answer = self._answer(request)
            records.append(record)
            try:
                request = flow.send(answer)
            except StopIteration:
                return records

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
def recorded() -> Iterator[Record]:
    """Record what this thread sends to any database. A statement outside a transaction is one by itself."""
    from django.db import connections

    from ecommerce.db.engine.base import DatabaseWrapper

    record = Record()

    def execute(run: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        record.statements.append(f"{context['connection'].alias}: {' '.join(str(sql).split())}")
        record.commits += not context["connection"].in_atomic_block
        return run(sql, params, many, context)

    def commit(connection: Any) -> Any:
        record.commits += 1
        return committed(connection)

    committed = DatabaseWrapper._commit
    with ExitStack() as stack:
        stack.enter_context(patch.object(DatabaseWrapper, "_commit", commit))
        for alias in CONTEXTS:
            stack.enter_context(connections[alias].execute_wrapper(execute))
        yield record


@contextmanager
def _nothing() -> Iterator[Record]:
    yield Record()


if __name__ == "__main__":
    main()
