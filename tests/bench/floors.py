"""The floors: a bare web server with the command of ours, and the SQL of a checkout without anything around it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from honcho.environ import parse_procfile

from tests.bench.load import Result
from tests.bench.shop import Measured
from tests.e2e.stack import ROOT, StackFailed, free_port

READY_SECONDS = 30
OURS, BARE = "config.wsgi:application", "--factory django.core.wsgi:get_wsgi_application"
SQL_PROCESSES = 4
SKUS = 1000

TABLES = """
    DROP SCHEMA IF EXISTS floor CASCADE;
    CREATE SCHEMA floor;
    SET search_path = floor;
    CREATE TABLE stock (sku int PRIMARY KEY, on_hand int NOT NULL, reserved int NOT NULL DEFAULT 0,
                        CHECK (reserved <= on_hand));
    CREATE TABLE orders (id uuid PRIMARY KEY, number text UNIQUE, email text, total numeric(12, 2), address jsonb,
                         status text, placed_at timestamptz);
    CREATE TABLE lines (id uuid PRIMARY KEY, order_id uuid REFERENCES orders, sku int, quantity int,
                        price numeric(12, 2), name text);
    CREATE TABLE payments (id uuid PRIMARY KEY, order_id uuid REFERENCES orders, amount numeric(12, 2), status text);
    CREATE TABLE ledger (id uuid PRIMARY KEY, payment_id uuid REFERENCES payments, amount numeric(12, 2));
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid UNIQUE, payload jsonb);
    INSERT INTO stock SELECT n, 1000000 FROM generate_series(0, 999) AS n;
"""
ORDER = "INSERT INTO orders VALUES (%s, %s, 'guest@example.com', 99.80, %s, 'confirmed', now())"
LINES = """
    INSERT INTO lines SELECT id, %s, sku, 1, 49.90, 'Produto de bancada'
    FROM unnest(%s::uuid[], %s::int[]) AS l (id, sku)
"""
TAKE = "UPDATE stock SET reserved = reserved + 1 WHERE sku = %s AND on_hand - reserved >= 1"
PAYMENT = "INSERT INTO payments VALUES (%s, %s, 99.80, 'captured')"
BOOK = "INSERT INTO ledger VALUES (%s, %s, 99.80)"
PUBLISH = "INSERT INTO outbox (event_id, payload) VALUES (%s, %s)"
ADDRESS = '{"recipient": "Ana Maria Braga", "street": "Avenida Paulista", "city": "São Paulo", "cep": "01310100"}'
PAYLOAD = '{"type": "order.confirmed", "lines": [' + '{"sku": "BANCADA", "quantity": 1}, ' * 8 + '{"sku": "X"}]}'


@contextmanager
def bare_server(shop: Measured) -> Iterator[str]:
    """Start the Procfile's web command with an empty Django in place of the shop; yield its URL.

    Raises:
        StackFailed
    """
    command = str(parse_procfile((ROOT / "Procfile").read_text()).processes["web"])
    if OURS not in command:
        raise StackFailed(f"the web command of the Procfile no longer serves {OURS}")
    port = free_port()
    settings = {"PORT": str(port), "WEB_WORKERS": "2", "DJANGO_SETTINGS_MODULE": "tests.bench.floor_settings"}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, **settings, "FLOOR_DSN": shop.catalog_dsn(), "PATH": programs}
    server = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command.replace(OURS, BARE)}"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield _answering(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answering(url: str, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(f"{url}/bare", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return url
    raise StackFailed("the bare web server did not come up")


def make_tables(administrator: psycopg.Connection[Any]) -> None:
    """Make the tables of :func:`checkouts`, empty, beside the shop's."""
    administrator.execute(TABLES)
    administrator.execute("RESET search_path")


def checkouts(shop: Measured, *, seconds: float) -> Result:
    """Commit minimal checkouts from ``SQL_PROCESSES`` processes with a connection each."""
    with shop.administrator() as administrator:
        dsn = administrator.info.dsn
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(SQL_PROCESSES + 1), context.SimpleQueue()
    processes = [
        context.Process(target=_check_out, args=(dsn, barrier, results, seconds, index))
        for index in range(SQL_PROCESSES)
    ]
    for process in processes:
        process.start()
    barrier.wait(timeout=60)
    started = time.perf_counter()
    latencies = sorted(latency for _ in processes for latency in results.get())
    elapsed = time.perf_counter() - started
    for process in processes:
        process.join()
    return Result(elapsed, latencies)


def _check_out(dsn: str, barrier: Barrier, results: Any, seconds: float, index: int) -> None:
    """Commit checkouts until the time is over; the two stock rows are taken last and in order, so nobody waits long."""
    latencies = []
    with psycopg.connect(dsn, options="-c search_path=floor") as connection:
        barrier.wait(timeout=60)
        until = time.perf_counter() + seconds
        for number in count(index * 7919):
            started = time.perf_counter()
            if started >= until:
                break
            order, payment = uuid4(), uuid4()
            skus = sorted([number % SKUS, (number + 7) % SKUS])
            connection.execute(ORDER, [order, order.hex, ADDRESS])
            connection.execute(LINES, [order, [uuid4(), uuid4()], skus])
            connection.execute(PAYMENT, [payment, order])
            connection.execute(BOOK, [uuid4(), payment])
            connection.execute(PUBLISH, [uuid4(), PAYLOAD])
            for sku in skus:
                connection.execute(TAKE, [sku])
            connection.commit()
            latencies.append(time.perf_counter() - started)
    results.put(latencies)
