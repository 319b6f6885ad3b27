"""The faults there are, by their numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.faults import consumer_faults as consumer
from tests.faults import infrastructure_faults as infrastructure
from tests.faults import relay_faults as relay
from tests.faults.rig import Rig

BOTH = ("pgmq", "rabbitmq")


@dataclass(frozen=True)
class Fault:
    """``run`` raises when a promise is broken, and returns a remark for the table. ``seeds`` have failed once and are
    always run."""

    number: str
    title: str
    run: Callable[[Rig, Random], str]
    brokers: tuple[str, ...] = BOTH
    seeds: tuple[int, ...] = ()


FAULTS = (
    Fault("1", "relay killed before it publishes", relay.killed_before_publishing),
    Fault("2", "relay killed after the confirms, before the move", relay.killed_before_the_move),
    Fault("3", "workers killed at random moments, 16 times in 4,000 events", relay.killed_at_random),
    Fault("4", "worker stopped past its leases, then let go on", relay.stopped_past_the_lease),
    Fault("5", "all connections to the broker broken, four times", infrastructure.broker_cut_off),
    Fault("6", "connections to the broker go silent", relay.cut_off_in_silence, ("rabbitmq",), seeds=(1,)),
    Fault("8", "an event that no queue is bound to", relay.unroutable),
    Fault("9", "an event that is too large", relay.too_large),
    Fault("11", "messages delivered again, five times, shuffled", consumer.delivered_many_times),
    Fault("13", "consumer killed after the commit", consumer.killed_before_the_acknowledgement),
    Fault("14", "a handler kills its process", consumer.handler_kills_the_process),
    Fault("14a", "a handler calls sys.exit", consumer.handler_ends_the_process),
    Fault("14b", "a handler kills its process from the parked messages", consumer.killer_behind_a_failure, seeds=(1,)),
    Fault("14c", "five messages in a row kill their process", consumer.many_killers, seeds=(1,)),
    Fault("15", "a handler always fails", consumer.poison),
    Fault("16", "a version that no handler knows", consumer.unknown_version),
    Fault("17", "PostgreSQL restarted, then killed", infrastructure.database_restarted),
    Fault("18", "sessions of PostgreSQL terminated for 15 s", infrastructure.sessions_struck),
    Fault("20", "4,000 events under an old REPEATABLE READ transaction", infrastructure.old_transaction),
    Fault("21", "a lower id commits late", relay.committed_late),
    Fault(
        "36a", "retention begins after the first events", infrastructure.retention_after_the_first_events, seeds=(1,)
    ),
    Fault("36", "retention while relay and replay run", infrastructure.retention_beside_replay),
)
BY_NUMBER = {fault.number: fault for fault in FAULTS}
SHORT_STORM = Fault("3", "workers killed at random moments", partial(relay.killed_at_random, events=600, kills=3))
"""For the tests of every change."""
