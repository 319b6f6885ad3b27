"""A rig: a database server in a folder of its own, a broker, a publisher, and workers to be treated badly."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.abc import Query

from ecommerce.db.embedded import Server, locate
from tests.bench.shop import CONTEXTS
from tests.e2e.stack import ROOT, free_port, new_folder
from tests.faults.brokers import BROKERS, Pgmq, Rabbit
from tests.faults.processes import FaultFailed, Publisher, Supervised, Web, Worker, environment_of, until
from tests.faults.proxy import Proxy
from tests.faults.shop import Shop, psp_environment

EFFECT_COLUMNS = "event_id uuid, subject uuid, version bigint, worker_pid int"
TABLES = (
    f"CREATE TABLE cart_service.fault_effects (position bigserial, {EFFECT_COLUMNS})",
    "CREATE INDEX ON cart_service.fault_effects (event_id)",
    "CREATE TABLE order_service.fault_committed (event_id uuid, subject uuid, version bigint, type text, mode text)",
    "CREATE TABLE order_service.fault_rolled_back (event_id uuid)",
    "GRANT ALL ON ALL TABLES IN SCHEMA cart_service TO cart_service",
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA cart_service TO cart_service",
    "GRANT ALL ON order_service.fault_committed, order_service.fault_rolled_back TO order_service",
)
FORGOTTEN = (
    "cart_service.fault_effects", "order_service.fault_committed", "order_service.fault_rolled_back",
    "cart_service.inbox_message", "cart_service.inbox_parked", "cart_service.inbox_start",
    "order_service.outbox_event", "order_service.outbox_archive", "order_service.saga_step",
    "order_service.saga_instance",
    *(f"{context}_service.outbox_{table}" for context in CONTEXTS for table in ("partition", "relay")),
)  # fmt: skip
READY_SECONDS = 60
LOG_LINES = 12


class Rig:
    """One broker's installation, without web processes unless a fault wants one. Faults run in it, one by one."""

    def __init__(self, broker: Pgmq | Rabbit, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.web_port, self.psp_port = free_port(), free_port()
        self.environment = environment_of(folder, broker.url, CONTEXTS) | psp_environment(self.psp_port, self.web_port)
        self.server = Server(locate(folder, self.environment))
        self.workers: list[Worker] = []
        self._proxies: list[Proxy] = []
        self._publisher: Publisher | None = None
        self._others: list[Publisher | Supervised | Shop] = []
        self._closing: list[Callable[[], object]] = []
        self._stocked = False
        broker.query = self.query

    def prepare(self) -> None:
        self.server.start()
        self.manage("bootstrap")
        self.manage("migrate_all")
        for statement in TABLES:
            self.query(statement)

    def manage(self, command: str) -> None:
        _run([sys.executable, "manage.py", command], environment=self.environment)

    def dump(self, file: Path) -> None:
        """Write the whole database into a file, as it is at one moment."""
        _run([self.server.program("pg_dump"), *self._address, "-Fc", "-f", str(file), "ecommerce"])

    def restore(self, file: Path) -> None:
        """Make a new server, whose transaction ids begin anew, and restore a dump into it as the runbook says."""
        self.end_processes()
        self.server.stop()
        shutil.rmtree(self.server.place.data)
        self.server.start()
        self.manage("bootstrap")
        for statement in ("DROP DATABASE ecommerce", "CREATE DATABASE ecommerce TEMPLATE template0"):
            _run([self.server.program("psql"), *self._address, "-d", "postgres", "-c", statement])
        _run([self.server.program("pg_restore"), *self._address, "-d", "ecommerce", "--exit-on-error", str(file)])
        self.manage("bootstrap")

    @property
    def _address(self) -> tuple[str, ...]:
        return "-h", str(self.server.place.sockets), "-p", str(self.server.place.port), "-U", "postgres"

    def administrator(self, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        place = self.server.place
        return psycopg.connect(
            host=str(place.sockets), port=place.port, user="postgres", dbname="ecommerce", autocommit=autocommit,
            application_name="faults",
        )  # fmt: skip

    def query(self, statement: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement as administrator, on a connection of its own, and return its rows, if it has any."""
        with self.administrator() as connection:
            text: Query = statement.encode()
            cursor = connection.execute(text, parameters)
            return cursor.fetchall() if cursor.description else []

    def number(self, statement: str, parameters: Sequence[Any] | None = None) -> int:
        return int(self.query(statement, parameters)[0][0])

    @property
    def publisher(self) -> Publisher:
        if self._publisher is None:
            self._publisher = Publisher(self.environment, self.folder / "publisher.log")
        return self._publisher

    def another_publisher(self) -> Publisher:
        """Start one more, for what goes on meanwhile. It ends with the fault."""
        made = Publisher(self.environment, self.folder / "publisher.log")
        self._others.append(made)
        return made

    def web(self) -> Web:
        """Start a web process. It ends with the fault."""
        made = Web(self.environment, self.folder / "web.log")
        self._others.append(made)
        return made

    def shop(self, *, forking: bool = False, **changed: str) -> Shop:
        """Open the shop, with a payment server and changes of the environment of its web process, which has a process
        for each request if ``forking``. It closes with the fault."""
        made = Shop(self, stocked=self._stocked, forking=forking, **changed)
        self._stocked = True
        self._others.append(made)
        return made

    def on_close(self, act: Callable[[], object]) -> None:
        """Do something when the fault is over, whatever becomes of it."""
        self._closing.append(act)

    def keep(self, process: Supervised) -> None:
        """End a process with the fault."""
        self._others.append(process)

    def publish(self, *events: dict[str, Any]) -> list[str]:
        """Publish events in one unit of work and return their ids."""
        self.publisher.order("publish", events=list(events))
        ids: list[str] = self.publisher.answer()["ids"]
        return ids

    def load(self, **wish: Any) -> dict[str, Any]:
        """Publish at random and wait for the end of it."""
        self.publisher.order("load", **wish)
        return self.publisher.answer(within=300)

    def start(
        self,
        threads: str = "consumer,relay",
        *,
        proxy: Proxy | None = None,
        options: Sequence[str] = (),
        **changed: str,
    ) -> Worker:
        """Start a worker with these threads and changes of its environment; one with a relay is waited for until that
        has announced itself."""
        before = self.relays()
        environment = {**self.environment, "EVENT_THREADS": threads, **changed}
        if proxy is not None:
            assert isinstance(self.broker, Rabbit)
            environment["BROKER_URL"] = self.broker.url_through(proxy.port)
        worker = Worker(environment, self.folder / f"worker-{len(self.workers)}.log", *options)
        self.workers.append(worker)
        if "relay" in threads:
            until(lambda: self.relays() - before, "a relay announces itself", within=READY_SECONDS)
        return worker

    def relays(self) -> set[Any]:
        """Return the relays of order that were heard of lately."""
        return {row[0] for row in self.query("SELECT owner FROM order_service.outbox_relay")}

    def proxy(self) -> Proxy:
        assert isinstance(self.broker, Rabbit)
        made = Proxy(("127.0.0.1", self.broker.node.port))
        self._proxies.append(made)
        return made

    def ends_of_logs(self) -> str:
        """Return what the workers said last."""
        ends = []
        for log in sorted(self.folder.glob("worker-*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            ends += [f"--- {log.name}", *lines]
        return "\n".join(ends)

    def reset(self) -> None:
        """End all workers and forget everything that happened."""
        self._end_workers()
        if self._publisher is not None and self._publisher.busy:
            self._end_publisher()
        self.server.start()
        self.broker.start()
        self.query(f"TRUNCATE {', '.join(FORGOTTEN)}")
        self.broker.empty()
        for log in self.folder.glob("worker-*.log"):
            log.unlink()

    def close(self) -> None:
        self.end_processes()
        self.server.stop()

    def end_processes(self) -> None:
        """End all workers and publishers."""
        self._end_workers()
        self._end_publisher()

    def _end_publisher(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _end_workers(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        for other in (*reversed(self._others), *self._proxies):
            other.close()
        for act in self._closing:
            act()
        self._others.clear()
        self._proxies.clear()
        self._closing.clear()


def _run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FaultFailed(f"{' '.join(command[:2])}: {done.stderr[-2000:]}")


@contextmanager
def opened(name: str) -> Iterator[Rig]:
    """Make a rig with this broker, and leave nothing of it behind.

    Raises:
        Absent: the broker cannot be used here.
    """
    broker, folder = BROKERS[name](), new_folder()
    rig = Rig(broker, folder)
    try:
        rig.prepare()
        yield rig
    finally:
        with _undisturbed():
            try:
                rig.close()
            finally:
                broker.close()
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C and termination while things are put away: half a clean-up leaves a server behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
