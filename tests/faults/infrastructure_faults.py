"""Faults of what relay and consumer stand on: the broker, the database, its old transactions, its housekeeping."""

from __future__ import annotations

import os
import signal
import time
from random import Random

from tests.faults.invariants import ARCHIVE, effects, published, require, settled
from tests.faults.processes import until
from tests.faults.rig import Rig

RATE = 100
STORM_SECONDS = 15
OLD_TRANSACTION_EVENTS, OLD_TRANSACTION_SECONDS = 4000, 120
AHEAD = 3
DAYS = """
    SELECT inhrelid::regclass::text FROM pg_inherits
    WHERE inhparent = 'order_service.outbox_archive'::regclass AND inhrelid::regclass::text !~ 'default'
"""
STRIKE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = 'ecommerce' AND backend_type = 'client backend' AND application_name <> 'faults'
      AND usename IN ('order_service', 'cart_service', 'broker_service')
    ORDER BY random() LIMIT %s
"""
AGED = f"UPDATE {ARCHIVE} SET published_at = published_at - interval '40 days' WHERE event_id = ANY(%s)"
OLD_DAY = """
    CREATE TABLE IF NOT EXISTS order_service.outbox_archive_{day} PARTITION OF order_service.outbox_archive
    FOR VALUES FROM ('{start}') TO ('{end}')
"""
OLD_DAYS = """
    SELECT to_char(d, 'YYYYMMDD'), d::text, (d + 1)::text
    FROM (SELECT current_date - n FROM generate_series(39, 41) AS n) AS days (d)
"""


def broker_cut_off(rig: Rig, random: Random, *, times: int = 4) -> str:
    """Break all connections to the broker, again and again, while events flow."""
    worker = rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=800, subjects=30, rate=RATE)
    for _ in range(times):
        before = effects(rig)
        until(lambda before=before: effects(rig) > before, "events take effect", within=60)  # type: ignore[misc]
        time.sleep(random.uniform(0, 1))
        rig.broker.cut_off()
    rig.publisher.answer()
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"cut off {times} times"


def database_restarted(rig: Rig, random: Random) -> str:
    """Restart PostgreSQL while events flow: once in order, once by killing it."""
    worker = rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=1000, subjects=30, rate=RATE)
    for orderly in (True, False):
        before = effects(rig)
        until(lambda before=before: effects(rig) > before, "events take effect", within=60)  # type: ignore[misc]
        time.sleep(random.uniform(0, 1))
        if orderly:
            rig.server.stop()
        else:
            pidfile = rig.server.place.data / "postmaster.pid"
            os.kill(int(pidfile.read_text().split()[0]), signal.SIGKILL)
        until(rig.server.start, "the server starts", within=60)
    answer = rig.publisher.answer()
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"{answer['errors']} failed commits of the publisher"


def sessions_struck(rig: Rig, random: Random) -> str:
    """Terminate sessions of contexts and broker at random while events flow."""
    worker, struck = rig.start(), 0
    rig.publisher.order("load", seed=random.getrandbits(32), events=STORM_SECONDS * RATE, subjects=30, rate=RATE)
    until(lambda: effects(rig) > 0, "events take effect", within=60)
    ends = time.monotonic() + STORM_SECONDS
    while time.monotonic() < ends:
        struck += len(rig.query(STRIKE, [random.randint(1, 4)]))
        time.sleep(random.uniform(0.05, 0.4))
    answer = rig.publisher.answer()
    settled(rig, within=150)
    require(worker.alive, "the worker ended")
    return f"{struck} sessions terminated, {answer['errors']} failed commits of the publisher"


def old_transaction(rig: Rig, random: Random) -> str:
    """Keep a snapshot open, so that nothing can be vacuumed, while thousands of events pass."""
    rig.start()
    with rig.administrator(autocommit=False) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM order_service.outbox_event")
        started = time.monotonic()
        rig.load(seed=random.getrandbits(32), events=OLD_TRANSACTION_EVENTS, subjects=40)
        settled(rig, within=OLD_TRANSACTION_SECONDS)
        seconds = time.monotonic() - started
        old.rollback()
    return f"{OLD_TRANSACTION_EVENTS} events published and handled in {seconds:.0f} s"


def retention_after_the_first_events(rig: Rig, random: Random) -> str:
    """Let events be published before anybody made a day of the archive, as in the first hour of an installation."""
    rig.query("DELETE FROM order_service.outbox_archive")
    for (day,) in rig.query(DAYS):
        rig.query(f"DROP TABLE {day}")
    rig.start()
    rig.load(seed=random.getrandbits(32), events=200, subjects=20)
    settled(rig)
    rig.publisher.order("retention", keep_days=30)
    rig.publisher.answer()
    days = len(rig.query(DAYS))
    require(days >= AHEAD, f"{days} days were made ahead")
    settled(rig)
    return f"{days} days made ahead"


def retention_beside_replay(rig: Rig, random: Random) -> str:
    """Drop old days of the archive while the relay fills it and a replay reads it."""
    replaying, keeping = rig.another_publisher(), rig.another_publisher()
    keeping.order("retention", keep_days=30)
    keeping.answer()
    rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=1500, subjects=30, rate=RATE)
    replaying.order("replay", times=20)
    dropped = 0
    while not rig.publisher.answered:
        for day, start, end in rig.query(OLD_DAYS):
            rig.query(OLD_DAY.format(day=day, start=start, end=end))
            rig.query(f"ALTER TABLE order_service.outbox_archive_{day} OWNER TO order_service")
        rows = rig.query(f"SELECT event_id FROM {ARCHIVE} JOIN cart_service.fault_effects USING (event_id)")
        rig.query(AGED, [[row[0] for row in rows if random.random() < 0.3]])
        time.sleep(random.uniform(0, 0.3))
        keeping.order("retention", keep_days=30)
        dropped += len(keeping.answer()["dropped"])
    rig.publisher.answer()
    read = replaying.answer()["read"]
    settled(rig, archive=False)
    require(dropped and published(rig) < 1500, "nothing was dropped")
    return f"{dropped} days dropped, {read} events read by replays"
