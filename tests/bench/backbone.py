"""``python -m tests.bench.backbone``: how fast events get from the commit to their effect, beside the floors of the
same machine in the same run.

The handler that is measured writes one row (``cart.remember_variant_price``). Rates and latencies are read from the
times that the database itself notes, so that measuring disturbs nothing; an effect is there when its transaction has
committed. Exit code 0, or 2 when the run broke off.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import amqp
import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from tests.bench import backbone_floors as floors
from tests.bench import costs
from tests.bench.events import CONSUMER, RABBITMQ, Stuck, drained, queues_removed, queues_that_exist
from tests.bench.shop import Measured, opened
from tests.e2e.stack import ROOT, StackFailed

DRAIN_SECONDS = 600
READY_SECONDS = 60
RATES = (50, 500, 1000)
RELAY_BATCH = 500
QUIET_RATE, QUIET_SECONDS = 50, 60.0
LEFT = "SELECT count(*) FROM catalog_service.outbox_event"
ARRIVED = f"SELECT count(*) FROM cart_service.inbox_message WHERE consumer = '{CONSUMER}'"  # noqa: S608
PUBLISHED = "SELECT min(published_at), max(published_at) FROM catalog_service.outbox_archive WHERE created_at >= %s"
LATENCIES = f"""
    SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM pg_xact_commit_timestamp(i.xmin) - a.created_at) * 1000)
    FROM cart_service.inbox_message i JOIN catalog_service.outbox_archive a ON a.event_id = i.message_id
    WHERE i.consumer = '{CONSUMER}' AND a.created_at >= to_timestamp(%s)
"""  # noqa: S608
DAYS = 30
"""Over so many days the archived events are spread, as the archive itself spreads them: a partition a day."""
DAY = "catalog_service.outbox_archive_{day:%Y%m%d}"
MAKE_DAY = """
    CREATE TABLE {name} PARTITION OF catalog_service.outbox_archive
    FOR VALUES FROM ('{day}T00:00Z') TO ('{next}T00:00Z')
"""
FILL_DAY = """
    INSERT INTO {name}
        (id, event_id, aggregate_type, aggregate_id, aggregate_version, event_type, payload, headers, attempts, origin,
         created_at, published_at)
    SELECT -n, gen_random_uuid(), 'variant', gen_random_uuid(), 1, 'catalog.variant_price_changed.v1', %s, %s, 1, 'app',
           '{day}T12:00Z', '{day}T12:00Z'
    FROM generate_series(1, %s::bigint) AS n
"""
STATEMENTS = """
    SELECT r.rolname, sum(s.calls) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
    WHERE r.rolname IN ('catalog_service', 'cart_service', 'broker_service') GROUP BY 1 ORDER BY 1
"""
IDLE_SECONDS = 15
IDLE_PARTS = ("worker", "scheduler", "postgres")

Findings = dict[str, Any]
Note = Callable[[str], None]


def main() -> int:
    options = _options()
    progress = Console(stderr=True, highlight=False)

    def note(what: str) -> None:
        progress.print(f"[dim]load {os.getloadavg()[0]:5.2f}[/dim]  {what}")

    found: Findings = {}
    try:
        for broker in options.brokers:
            with _queues(broker, note) as usable:
                if usable:
                    found[broker] = _measure(broker, options, note)
    except KeyboardInterrupt:
        return 130
    except (StackFailed, Stuck, TimeoutError, subprocess.CalledProcessError) as error:
        progress.print(f"{type(error).__name__}: {error}", markup=False)
        return 2
    _show(found)
    print(json.dumps(found), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backbone", description="Measure the event backbone.")
    parser.add_argument("--events", type=int, default=10_000, help="how many each measurement publishes")
    parser.add_argument("--rounds", type=int, default=3, help="how often the whole way is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each steady rate is held (default: 5)")
    parser.add_argument("--archived", type=int, default=10_000_000, help="events in the full archive")
    parser.add_argument("--minutes", type=float, default=10, help="how old the open transaction is (default: 10)")
    parser.add_argument("--brokers", nargs="+", default=["pgmq", "rabbitmq"], choices=["pgmq", "rabbitmq"])
    return parser.parse_args()


@contextmanager
def _queues(broker: str, note: Note) -> Iterator[bool]:
    """Leave no queue in RabbitMQ behind; yield False where it cannot be used."""
    if broker == "pgmq":
        yield True
        return
    try:
        taken = queues_that_exist()
    except (OSError, amqp.AMQPError) as error:
        note(f"no RabbitMQ answers ({type(error).__name__})")
        yield False
        return
    if taken:
        note(f"another installation uses this RabbitMQ: {', '.join(taken)}")
        yield False
        return
    with queues_removed():
        yield True


def _measure(broker: str, options: argparse.Namespace, note: Note) -> Findings:
    url, count = (RABBITMQ if broker == "rabbitmq" else "pgmq://"), options.events
    found: Findings = {}
    note(f"{broker}: relays alone")
    left = queues_removed() if broker == "rabbitmq" else nullcontext()
    with left, opened(broker_url=url, EVENT_THREADS="relay") as shop, shop.administrator() as administrator:
        for _ in range(options.rounds):
            found.setdefault("floor: rows moved by SQL", []).append(floors.moved_by_sql(administrator, events=count))
            if broker == "rabbitmq":
                bare = floors.published_by_amqp(RABBITMQ, events=count)
                found.setdefault("floor: bare py-amqp", []).append(bare)
            found.setdefault("relay alone", []).append(_relay_alone(shop, administrator, count))
    with opened(broker_url=url) as shop, _noting_commits(shop) as administrator:
        note(f"{broker}: idle")
        found["processor while idle, %"] = [_idle(shop)]
        found["whole way"] = _whole_way(shop, options, lambda n: note(f"{broker}: the whole way, {n}"))
        note(f"{broker}: behind the relay")
        found["consumer alone"] = [_behind_the_relay(shop, administrator, count) for _ in range(options.rounds)]
        found["SQL statements per event"] = [_statements(shop, administrator, count)]
        for rate in RATES:
            note(f"{broker}: {rate} events/s")
            found[f"latency at {rate}/s, p50 and p99 ms"] = _latencies(shop, administrator, rate, options.seconds)
        note(f"{broker}: filling the archive with {options.archived} events, while a transaction stays open")
        with shop.administrator() as old:
            old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            old.execute(LEFT)
            old_at = time.monotonic() + 60 * options.minutes
            days = _fill_archive(administrator, options.archived)
            note(f"{broker}: {QUIET_RATE} events/s until the transaction is {options.minutes} minutes old")
            _keep_busy(shop, administrator, until=old_at)
            note(f"{broker}: with a full archive and an old open transaction")
            found["whole way, full archive, old open transaction"] = _whole_way(shop, options, lambda n: None)
            old.execute("COMMIT")
        note(f"{broker}: with a full archive")
        found["whole way, full archive"] = _whole_way(shop, options, lambda n: None)
        for day in days:
            administrator.execute(f"DROP TABLE {day}".encode())
        found["whole way, archive empty again"] = _whole_way(shop, options, lambda n: None)
    return found


@contextmanager
def _noting_commits(shop: Measured) -> Iterator[psycopg.Connection[Any]]:
    """Restart the database under the running installation so that it notes when transactions commit, and can count
    statements; yield an administrator."""
    with shop.administrator() as administrator:
        administrator.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        administrator.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    shop.stack.manage("db", "stop")
    shop.stack.manage("db", "start")
    deadline = time.monotonic() + READY_SECONDS
    while httpx.get(f"{shop.url}/ready", timeout=10).status_code != 200:
        if time.monotonic() > deadline:
            raise StackFailed(f"not ready {READY_SECONDS} s after the database was restarted")
        time.sleep(0.5)
    with shop.administrator() as administrator:
        administrator.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
        _count_statements(administrator, False)
        yield administrator


def _count_statements(administrator: psycopg.Connection[Any], counting: bool) -> None:
    administrator.execute(f"ALTER SYSTEM SET pg_stat_statements.track = '{'top' if counting else 'none'}'".encode())
    administrator.execute("SELECT pg_reload_conf()")
    time.sleep(1)  # until every session has read it


def _statements(shop: Measured, administrator: psycopg.Connection[Any], count: int) -> float:
    """Return how many statements the whole way of an event takes: its share of those of batches."""
    _count_statements(administrator, True)
    administrator.execute("SELECT public.pg_stat_statements_reset()")
    drained(shop, events=count)
    by_role = dict(administrator.execute(STATEMENTS).fetchall())
    _count_statements(administrator, False)
    return float(sum(by_role.values()) / count)


def _idle(shop: Measured) -> float:
    """Return the percentage of one core that worker, scheduler and database take while nothing happens."""
    time.sleep(5)
    with costs.measured(shop) as spent:
        time.sleep(IDLE_SECONDS)
    return 100 * sum(spent.seconds[part] for part in IDLE_PARTS) / IDLE_SECONDS


def _whole_way(shop: Measured, options: argparse.Namespace, note: Note) -> list[float]:
    rates = []
    for number in range(options.rounds):
        note(str(number + 1))
        rates.append(drained(shop, events=options.events).rate)
    return rates


def _relay_alone(shop: Measured, administrator: psycopg.Connection[Any], count: int) -> float:
    """Return the rate of the relay between its first batch and its last."""
    started = administrator.execute("SELECT clock_timestamp()").fetchall()[0][0]
    _publish(shop, count)
    _await(administrator, LEFT, 0)
    first, last = administrator.execute(PUBLISHED, [started]).fetchall()[0]
    return float((count - RELAY_BATCH) / (last - first).total_seconds())


def _behind_the_relay(shop: Measured, administrator: psycopg.Connection[Any], count: int) -> float:
    """Return the rate of the consumer after the relay is done: what is left to handle then, over the time it takes."""
    before = administrator.execute(ARRIVED.encode()).fetchall()[0][0]
    _publish(shop, count)
    _await(administrator, LEFT, 0)
    started, then = time.monotonic(), administrator.execute(ARRIVED.encode()).fetchall()[0][0]
    _await(administrator, ARRIVED, before + count)
    return float((before + count - then) / (time.monotonic() - started))


def _keep_busy(shop: Measured, administrator: psycopg.Connection[Any], *, until: float) -> None:
    """Publish and handle a few events all the time, so that rows die that an old transaction keeps."""
    while (left := until - time.monotonic()) > 0:
        _steady(shop, administrator, QUIET_RATE, min(left, QUIET_SECONDS))


def _latencies(shop: Measured, administrator: psycopg.Connection[Any], rate: int, seconds: float) -> list[float]:
    """Return the median and the 99th percentile, in milliseconds, at a steady rate."""
    started = time.time()
    _steady(shop, administrator, rate, seconds)
    return [float(value) for value in administrator.execute(LATENCIES.encode(), [started]).fetchall()[0][0]]


def _steady(shop: Measured, administrator: psycopg.Connection[Any], rate: int, seconds: float) -> None:
    """Publish for so long at a steady rate, and wait until everything took effect."""
    before = administrator.execute(ARRIVED.encode()).fetchall()[0][0]
    command = [sys.executable, "-m", "tests.bench.steady", str(rate), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, env=shop.stack.environment, check=True, stdout=subprocess.PIPE, text=True)
    _await(administrator, ARRIVED, before + int(done.stdout))


def _publish(shop: Measured, count: int) -> None:
    command = [sys.executable, "-m", "tests.bench.publish", str(count)]
    subprocess.run(command, cwd=ROOT, env=shop.stack.environment, check=True, stdout=subprocess.DEVNULL)


def _await(administrator: psycopg.Connection[Any], query: str, wanted: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while (found := administrator.execute(query.encode()).fetchall()[0][0]) != wanted:
        if time.monotonic() > deadline:
            raise Stuck(f"{found} instead of {wanted} after {DRAIN_SECONDS} s: {query}")
        time.sleep(0.05)


def _fill_archive(administrator: psycopg.Connection[Any], count: int) -> list[str]:
    """Archive events of the past days; return the tables that hold them."""
    names = []
    today = datetime.now(UTC).date()
    for day in (today - timedelta(days=ago) for ago in range(1, DAYS + 1)):
        name = DAY.format(day=day)
        administrator.execute(MAKE_DAY.format(name=name, day=day, next=day + timedelta(days=1)).encode())
        fill = FILL_DAY.format(name=name, day=day).encode()
        administrator.execute(fill, [json.dumps(floors.PAYLOAD), json.dumps(floors.HEADERS), count // DAYS])
        administrator.execute(f"VACUUM (ANALYZE) {name}".encode())
        names.append(name)
    administrator.execute("CHECKPOINT")
    return names


def _show(found: Findings) -> None:
    table = Table(title="events per second, or milliseconds where it says so: median (lowest–highest)")
    table.add_column("")
    for broker in found:
        table.add_column(broker, justify="right")
    for what in dict.fromkeys(name for each in found.values() for name in each):
        table.add_row(what, *(_cell(what, each.get(what)) for each in found.values()))
    Console(width=120, highlight=False).print(table)


def _cell(what: str, values: list[float] | None) -> str:
    if not values:
        return ""
    if what.startswith("latency"):
        return " and ".join(f"{value:.1f}" for value in values)
    if len(values) == 1:
        return f"{values[0]:,.2f}"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


if __name__ == "__main__":
    sys.exit(main())
