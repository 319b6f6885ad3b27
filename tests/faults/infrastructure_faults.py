"""Faults of what relay and consumer stand on: the database and its connections, its housekeeping, the clock."""

from __future__ import annotations

import os
import signal
import time
from random import Random

from tests.faults.brokers import Rabbit
from tests.faults.invariants import (
    ARCHIVE,
    COMMITTED,
    effects,
    flowing,
    leases_follow,
    parked,
    published,
    require,
    settled,
)
from tests.faults.processes import until
from tests.faults.rig import Rig

RATE = 100
STORM_SECONDS = 15
OLD_TRANSACTION_EVENTS, OLD_TRANSACTION_SECONDS = 4000, 120
AHEAD = 3
HOURS = 3
ROLES = "SELECT rolname FROM pg_roles WHERE rolname IN ('order_service', 'cart_service', 'broker_service')"
RECOVERED_SECONDS = 20
"""After which connections that are free again must be in use. A thread that failed pauses for ten seconds at most, and
a pool of connections for a few."""
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


def database_restarted(rig: Rig, random: Random) -> str:
    """Restart PostgreSQL while events flow: once in order, once by killing it."""
    worker = rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=1000, subjects=30, rate=RATE)
    for orderly in (True, False):
        flowing(rig)
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


def connections_used_up(rig: Rig, random: Random) -> str:
    """Let the roles of contexts and broker have next to no sessions for a while, and then all they want."""
    worker, seconds, roles = rig.start(), random.uniform(33, 38), [role for (role,) in rig.query(ROLES)]
    rig.publisher.order("load", seed=random.getrandbits(32), events=1000, subjects=30, rate=RATE)
    until(lambda: effects(rig) > 50, "events take effect", within=60)
    try:
        for role in roles:
            rig.query(f"ALTER ROLE {role} CONNECTION LIMIT {random.randint(0, 1)}")
        rig.query(STRIKE, [1000])
        time.sleep(seconds)
    finally:
        for role in roles:
            rig.query(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    before, free = effects(rig), time.monotonic()
    until(lambda: effects(rig) > before, "events take effect again", within=RECOVERED_SECONDS)
    recovered = time.monotonic() - free
    answer = rig.publisher.answer()
    require(answer["errors"], "the publisher noticed nothing")
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"{seconds:.0f} s without connections; events took effect {recovered:.1f} s later"


def clocks_wrong(rig: Rig, random: Random) -> str:
    """Let clocks of workers be hours ahead and behind in turn, and let each take over what failed before the other."""
    shifts = [3600 * HOURS, -3600 * HOURS, 3600 * HOURS]
    worker = rig.start(FAULT_CLOCK_SHIFT=str(shifts.pop()))
    for shift in shifts:
        failing = rig.load(seed=random.getrandbits(32), events=50, subjects=50, mode="fail-first")["committed"]
        until(lambda: parked(rig), "messages fail", within=30)
        successor = rig.start(FAULT_CLOCK_SHIFT=str(shift))
        worker.kill()
        worker = successor
        leases_follow(rig)
        settled(rig, within=60)
    require(worker.alive, "the worker ended")
    return f"{HOURS} hours ahead, behind, ahead; {failing} events failed at first under each"


def restored(rig: Rig, random: Random) -> str:
    """Dump the database under load, lose it, and restore it into a new server whose transaction ids begin anew."""
    dump, server = rig.folder / "shop.dump", "SELECT system_identifier FROM pg_control_system()"
    for _ in range(2):
        rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=2000, subjects=30, rate=4 * RATE)
    at = random.randint(100, 600)
    until(lambda: effects(rig) > at, "events take effect", within=60)
    rig.dump(dump)
    known = effects(rig)
    until(lambda: effects(rig) > known, "more events take effect", within=60)
    before = rig.number(server)
    rig.restore(dump)
    require(rig.number(server) != before, "the server is the old one")
    left = rig.number(f"SELECT count(*) FROM {COMMITTED}") - effects(rig)
    if isinstance(rig.broker, Rabbit):
        rig.broker.empty()
        rig.publisher.order("replay", times=1)
        rig.publisher.answer()
    rig.start()
    rig.load(seed=random.getrandbits(32), events=100, subjects=10)
    settled(rig)
    return f"{left} events in the dump had no effect yet"


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
