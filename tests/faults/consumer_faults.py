"""Faults on the way from the broker to the effect."""

from __future__ import annotations

import json
import time
from random import Random
from uuid import UUID

from tests.faults.brokers import QUEUE, Rabbit
from tests.faults.invariants import (
    Expected,
    arrived,
    effects,
    effects_of,
    parked,
    published,
    require,
    settled,
    state,
)
from tests.faults.processes import Worker, until
from tests.faults.promises import ATTEMPTS, BEGINNINGS
from tests.faults.rig import Rig

EVENTS = 200
WITHOUT_PAUSE = "UPDATE cart_service.inbox_parked SET available_at = now() WHERE status = 'RETRY'"
PARKED = "SELECT status, reason FROM cart_service.inbox_parked WHERE message_id = %s"


def killed_before_the_acknowledgement(rig: Rig, random: Random) -> str:
    """Let effects commit, keep the acknowledgements from the broker, and kill the consumer."""
    rig.start("relay")
    again = _killed_unheard(rig, random) if isinstance(rig.broker, Rabbit) else _killed_at_the_deletion(rig, random)
    rig.start("consumer")
    settled(rig)
    return f"{again} messages came again after their effect"


def _killed_unheard(rig: Rig, random: Random) -> int:
    broker = rig.broker
    assert isinstance(broker, Rabbit)
    proxy = rig.proxy()
    consumer = rig.start("consumer", proxy=proxy)
    until(broker.subscribed, "the consumer has the queue", within=60)
    proxy.hold("up")
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    until(lambda: effects(rig) >= 150, "events take effect", within=30)
    consumer.kill()
    return effects(rig)


def _killed_at_the_deletion(rig: Rig, random: Random) -> int:
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    until(lambda: published(rig) == EVENTS, "all are in the queue", within=30)
    with rig.administrator(autocommit=False) as lock:
        lock.execute(f"SELECT 1 FROM pgmq.q_{QUEUE} FOR UPDATE".encode())
        consumer = rig.start("consumer")
        until(lambda: effects(rig), "a batch takes effect", within=60)
        consumer.kill()
        lock.rollback()
    return effects(rig)


def delivered_many_times(rig: Rig, random: Random, *, times: int = 5) -> str:
    """Put what was published into the queue again, shuffled, several times, while the consumer is at work."""
    rig.start("relay")
    consumers = [rig.start("consumer"), rig.start("consumer")]
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20, mode="slow")
    until(lambda: published(rig) == EVENTS, "all are published", within=30)
    rows = rig.query("SELECT headers, payload FROM order_service.outbox_archive")
    copies = [(headers, json.dumps(payload)) for headers, payload in rows] * times
    # A copy of what has not come yet would be the first delivery out of order, which no broker does.
    until(lambda: arrived(rig) or effects(rig) > EVENTS / 2, "half of them have their effect", within=60)
    done = {str(row[0]) for row in rig.query("SELECT event_id FROM cart_service.fault_effects")}
    copies = [copy for copy in copies if copy[0]["cloudEvents_id"] in done]
    random.shuffle(copies)
    rig.broker.send(copies)
    time.sleep(random.uniform(0, 1))
    random.choice(consumers).kill()
    settled(rig)
    return f"{len(copies)} copies"


def handler_ends_the_process(rig: Rig, random: Random) -> str:
    """A handler calls ``sys.exit``: its message fails like any other, and the worker lives."""
    worker = rig.start()
    return f"{_poisoned(rig, random, mode='exit', worker=worker)}; the worker lives"


def poison(rig: Rig, random: Random) -> str:
    """A message that always fails is tried, parked, and holds up its own key and nothing else."""
    worker = rig.start()
    return _poisoned(rig, random, mode="fail", worker=worker)


def _poisoned(rig: Rig, random: Random, *, mode: str, worker: Worker) -> str:
    subject = str(UUID(int=random.getrandbits(128), version=4))
    before, bad, *behind = rig.publish(
        {"subject": subject}, {"subject": subject, "mode": mode}, {"subject": subject}, {"subject": subject}
    )
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    expected = Expected(in_inbox={bad, *behind})
    settled(rig, expected)
    require(effects_of(rig, [before]) == 1, "what came before the poison has no effect")
    _parked_for_good(rig, bad)
    settled(rig, expected)
    require(worker.alive, "the worker ended")
    _discarded(rig, bad)
    settled(rig, Expected(in_inbox=(), discarded={bad}))
    return f"parked after {ATTEMPTS} attempts, pauses cut short; {len(behind)} behind it went on when it was gone"


def _parked_for_good(rig: Rig, message: str) -> None:
    def given_up() -> bool:
        rig.query(WITHOUT_PAUSE)
        return rig.query(PARKED, [message])[0][0] == "PARKED"

    until(given_up, "the message is parked for a person", within=90)


def _discarded(rig: Rig, message: str) -> None:
    number = rig.number("SELECT id FROM cart_service.inbox_parked WHERE message_id = %s", [message])
    rig.publisher.order("discard", parked=number)
    rig.publisher.answer()
    rig.query(WITHOUT_PAUSE)


def handler_kills_the_process(rig: Rig, random: Random, *, killers: int = 1) -> str:
    """Handlers of some messages kill their worker, which is started again each time: only they are parked."""
    worker = rig.start()
    subjects = [str(UUID(int=random.getrandbits(128), version=4)) for _ in range(EVENTS)]
    chosen = set(random.sample(range(EVENTS // 4, EVENTS // 2), killers))
    ids = rig.publish(
        *({"subject": each, "mode": "kill" if n in chosen else ""} for n, each in enumerate(subjects))
    )  # fmt: skip
    expected = Expected(in_inbox={ids[n] for n in chosen})

    def done() -> bool:
        if worker.revive():
            require(not rig.broker.lost(), f"laid aside by the broker: {state(rig)} after {worker.deaths} deaths")
        return arrived(rig, expected)

    what = "only the killers are parked, and all others have their effect"
    until(done, what, within=60 + 30 * killers, state=lambda: f"{worker.deaths} deaths, {state(rig)}")
    settled(rig, expected)
    for each in expected.in_inbox:
        ((status, reason),) = rig.query(PARKED, [each])
        require(status == "PARKED" and "without an outcome" in reason, f"parked as {status}: {reason}")
    least, most = BEGINNINGS * killers, (BEGINNINGS + 1) * killers + 1
    require(least <= worker.deaths <= most, f"{worker.deaths} deaths instead of {least} to {most}")
    return f"{killers} parked after {worker.deaths} deaths"


def many_killers(rig: Rig, random: Random) -> str:
    """As before with several in a row, so that their neighbours come back often too."""
    return handler_kills_the_process(rig, random, killers=5)


def killer_behind_a_failure(rig: Rig, random: Random) -> str:
    """The killer waited in ``inbox_parked`` behind an earlier message of its key, and begins from there."""
    worker = rig.start()
    subject = str(UUID(int=random.getrandbits(128), version=4))
    bad, killer = rig.publish({"subject": subject, "mode": "fail"}, {"subject": subject, "mode": "kill"})
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    settled(rig, Expected(in_inbox={bad, killer}))
    _discarded(rig, bad)

    def given_up() -> bool:
        if worker.revive():
            rig.query(WITHOUT_PAUSE)
        return rig.query(PARKED, [killer])[0][0] == "PARKED" or worker.deaths > ATTEMPTS

    until(given_up, "the killer is given up", within=120, state=lambda: f"{worker.deaths} deaths, {state(rig)}")
    status, _ = rig.query(PARKED, [killer])[0]
    require(status == "PARKED", f"{worker.deaths} deaths, and the killer is still to be tried again ({status})")
    until(lambda: worker.revive() or worker.alive, "the worker lives", within=10)
    settled(rig, Expected(in_inbox={killer}, discarded={bad}))
    return f"parked after {worker.deaths} deaths"


def unknown_version(rig: Rig, random: Random) -> str:
    """A version comes that no handler knows: it is parked for a person, and everything else goes on."""
    subject = str(UUID(int=random.getrandbits(128), version=4))
    rig.start()
    until(lambda: _bound(rig), "the queue is bound", within=30)
    rig.broker.bind("test.counted.v2")
    unknown, known = rig.publish({"subject": subject, "type": "test.counted.v2"}, {"subject": subject})
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    settled(rig, Expected(in_inbox={unknown}))
    ((status, reason),) = rig.query(PARKED, [unknown])
    require(status == "PARKED" and reason == "unknown event type", f"parked as {status}: {reason}")
    require(effects_of(rig, [known]) == 1 and parked(rig) == {unknown}, "the known event has no effect")
    return "parked at once"


def later_version_first(rig: Rig, random: Random) -> str:
    """Commit version 2 of some subjects before version 1, as no use case may: so they come over the wire."""
    rig.start()
    subject = str(UUID(int=random.getrandbits(128), version=4))
    slow = rig.another_publisher()
    slow.order("late", subject=subject, version=1)
    (first,) = slow.answer()["written"]
    second, third = rig.publish({"subject": subject, "version": 2}, {"subject": subject, "version": 3})
    rig.load(seed=random.getrandbits(32), events=EVENTS, subjects=20)
    settled(rig)
    slow.say("")
    slow.answer()
    settled(rig, Expected(in_inbox={first}))
    ((status, reason),) = rig.query(PARKED, [first])
    require(status == "PARKED", f"{status}: {reason}")
    _discarded(rig, first)
    settled(rig, Expected(discarded={first}))
    return f"parked: {reason}"


def _bound(rig: Rig) -> bool:
    """Tell whether the workers have declared the queue, by sending one event through it."""
    rig.load(seed=0, events=1, subjects=1, rollback=0)
    settled(rig)
    return True
