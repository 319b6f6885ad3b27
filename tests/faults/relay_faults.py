"""Faults on the way from the outbox to the broker."""

from __future__ import annotations

import signal
import time
from random import Random
from uuid import UUID

from tests.faults.brokers import Rabbit
from tests.faults.invariants import (
    OUTBOX,
    Expected,
    effects,
    effects_of,
    flowing,
    leases_follow,
    published,
    require,
    settled,
    state,
)
from tests.faults.processes import until
from tests.faults.promises import ATTEMPTS, LEASE_SECONDS, READER_SECONDS
from tests.faults.rig import Rig

EVENTS = 200
STORM_EVENTS, STORM_KILLS, STORM_RATE = 4000, 16, 60
BIG = 300 * 1024
WITHOUT_PAUSE = f"UPDATE {OUTBOX} SET available_at = now() WHERE status = 'BLOCKED'"


def killed_before_publishing(rig: Rig, random: Random) -> str:
    """Stop the relay while nothing waits, let events commit, and kill it without letting it go on."""
    relay = rig.start("relay")
    rig.start("consumer")
    relay.signal(signal.SIGSTOP)
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    require(published(rig) == 0, "the stopped relay published")
    relay.kill()
    started = time.monotonic()
    rig.start("relay")
    leases_follow(rig)
    settled(rig)
    return f"taken over and settled after {time.monotonic() - started:.1f} s"


def killed_before_the_move(rig: Rig, random: Random) -> str:
    """Hold the rows of the outbox, so that the relay gets as far as the move, and kill it there."""
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    with rig.administrator(autocommit=False) as lock:
        lock.execute(f"SELECT 1 FROM {OUTBOX} FOR UPDATE".encode())
        relay = rig.start("relay")
        rig.start("consumer")
        moving = "SELECT 1 FROM pg_stat_activity WHERE usename = 'order_service' AND wait_event_type = 'Lock'"
        until(lambda: rig.query(moving), "the relay is about to move what it published", within=60)
        if isinstance(rig.broker, Rabbit):
            until(lambda: effects(rig), "what was confirmed takes effect", within=60)
        twice = effects(rig)
        require(published(rig) == 0, "moved in spite of the lock")
        relay.kill()
        lock.rollback()
    rig.start("relay")
    leases_follow(rig)
    settled(rig)
    return f"{twice} effects before the kill"


def killed_at_random(rig: Rig, random: Random, *, events: int = STORM_EVENTS, kills: int = STORM_KILLS) -> str:
    """Two workers under load; kill one or the other at random moments and start it again."""
    workers = [rig.start(), rig.start()]
    rig.publisher.order("load", seed=random.getrandbits(32), events=events, subjects=40, rate=STORM_RATE)
    for _ in range(kills):
        flowing(rig)
        time.sleep(random.uniform(0, 2))
        victim = random.choice(workers)
        victim.kill()
        victim.revive()
    during = rig.publisher.busy and not rig.publisher.answered
    answer = rig.publisher.answer(within=300)
    leases_follow(rig)
    settled(rig, within=150)
    ended = "during" if during else "after"
    return f"{kills} kills, the last {ended} the load; {answer['committed']} events, {answer['undone']} undone"


def stopped_past_the_lease(rig: Rig, random: Random) -> str:
    """Stop a worker under load until its leases have lapsed and another has them, then let it go on."""
    first = rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=1500, subjects=30, rate=75)
    until(lambda: effects(rig) > 50, "events take effect", within=60)
    time.sleep(random.uniform(0, 1))
    owners = rig.relays()
    first.signal(signal.SIGSTOP)
    rig.start()
    held = "SELECT count(*) FROM order_service.outbox_partition WHERE owner = ANY(%s) AND lease_until > now()"
    until(lambda: rig.number(held, [list(owners)]) == 0, "its leases lapse", within=LEASE_SECONDS + 5)
    until(lambda: rig.number(held, [list(rig.relays() - owners)]) == 64, "another takes them", within=LEASE_SECONDS + 5)
    at, before, started = published(rig), effects(rig), time.monotonic()
    until(
        lambda: effects(rig) > before, "another takes the queue", within=READER_SECONDS + 10, state=lambda: state(rig)
    )
    queue = time.monotonic() - started
    time.sleep(random.uniform(0, 3))
    first.signal(signal.SIGCONT)
    rig.publisher.answer(within=120)
    settled(rig)
    return f"{at} published when its leases were taken; its queue {queue:.0f} s later"


def cut_off_in_silence(rig: Rig, random: Random) -> str:
    """Let the connections of relay and consumer stay open and pass nothing any more."""
    proxy = rig.proxy()
    worker = rig.start(proxy=proxy)
    rig.publisher.order("load", seed=random.getrandbits(32), events=600, subjects=30, rate=100)
    until(lambda: effects(rig) > 50, "events take effect", within=60)
    time.sleep(random.uniform(0, 1))
    links = proxy.hold("up", "down")
    rig.publisher.answer(within=120)
    settled(rig, within=90)
    require(worker.alive, "the worker ended")
    return f"{links} connections went silent"


def refused(rig: Rig, random: Random, *, event: dict[str, object]) -> str:
    """Publish an event that the broker refuses, with others of its aggregate before and behind, among other events."""
    subject, other = (str(UUID(int=random.getrandbits(128), version=4)) for _ in range(2))
    rig.start()
    before, bad, behind, beside = rig.publish(
        {"subject": subject}, {"subject": subject, **event}, {"subject": subject}, {"subject": other}
    )
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    expected = Expected(in_outbox={bad, behind})
    settled(rig, expected, within=60)
    require(effects_of(rig, [before, beside]) == 2, "an event that nobody refused has no effect")
    status = "SELECT status, attempts FROM order_service.outbox_event WHERE event_id = %s"

    def given_up() -> bool:
        rig.query(WITHOUT_PAUSE)
        return rig.query(status, [bad]) == [("PARKED", ATTEMPTS)]

    until(given_up, "the event is parked after its attempts", within=90)
    settled(rig, expected)
    return f"parked after {ATTEMPTS} attempts, pauses cut short; its follower waits"


def too_large(rig: Rig, random: Random) -> str:
    """Publish an event larger than any broker is given."""
    return refused(rig, random, event={"bytes": BIG})


def unroutable(rig: Rig, random: Random) -> str:
    """Publish an event of a type that no queue is bound to."""
    return refused(rig, random, event={"type": "test.unheard.v1"})


def committed_late(rig: Rig, random: Random) -> str:
    """Write an event, let hundreds with higher ids overtake it, and commit it then."""
    subject = str(UUID(int=random.getrandbits(128), version=4))
    rig.start()
    slow = rig.another_publisher()
    slow.order("late", subject=subject)
    (late,) = slow.answer()["written"]
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    settled(rig)
    slow.say("")
    slow.answer()
    settled(rig)
    lowest = "SELECT id = (SELECT min(id) FROM order_service.outbox_archive) FROM order_service.outbox_archive"
    require(rig.query(f"{lowest} WHERE event_id = %s", [late]) == [(True,)], "the late event has no lower id")
    return f"overtaken by {EVENTS} events"
