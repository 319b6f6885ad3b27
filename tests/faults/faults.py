"""The faults there are, by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.faults import broker_faults as broker
from tests.faults import consumer_faults as consumer
from tests.faults import infrastructure_faults as infrastructure
from tests.faults import relay_faults as relay
from tests.faults import saga_faults as sagas
from tests.faults import service_faults as services
from tests.faults.rig import Rig
from tests.faults.rotation import keys_rotated
from tests.faults.saga_kills import killed_at_every_boundary

OF_THE_DATABASE = {"pgmq": "its queues are tables: they go and come with PostgreSQL, as under 17"}
NO_NETWORK = {"pgmq": "its queues are in the database, reached by a socket of the machine that cannot fall silent"}
NO_ALARM = {"pgmq": "its queues are tables, for which there is no such alarm"}


@dataclass(frozen=True)
class Fault:
    """``run`` raises when a promise is broken, and returns a remark. ``not_for`` says of a broker why it cannot happen
    there. ``seeds`` have failed once and are always run."""

    number: str
    title: str
    run: Callable[[Rig, Random], str]
    not_for: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()


FAULTS = (
    Fault("1", "relay killed before it publishes", relay.killed_before_publishing),
    Fault("2", "relay killed after the confirms, before the move", relay.killed_before_the_move),
    Fault("3", "workers killed at random moments, 16 times in 4,000 events", relay.killed_at_random),
    Fault("4", "worker stopped past its leases, then let go on", relay.stopped_past_the_lease, seeds=(1, 2)),
    Fault("5", "broker restarted, then killed", broker.restarted, OF_THE_DATABASE),
    Fault("5a", "all connections to the broker broken, four times", broker.cut_off),
    Fault("6", "connections to the broker go silent", relay.cut_off_in_silence, NO_NETWORK, seeds=(1,)),
    Fault("7", "the broker raises its memory alarm", broker.out_of_memory, NO_ALARM),
    Fault("8", "an event that no queue is bound to", relay.unroutable),
    Fault("9", "an event that is too large", relay.too_large),
    Fault("10", "the first of three events of one subject is refused", broker.refused_first),
    Fault("11", "messages delivered again, five times, shuffled", consumer.delivered_many_times),
    Fault("12", "version 2 comes before version 1", consumer.later_version_first),
    Fault("13", "consumer killed after the commit", consumer.killed_before_the_acknowledgement),
    Fault("14", "a handler kills its process", consumer.handler_kills_the_process),
    Fault("14a", "a handler calls sys.exit", consumer.handler_ends_the_process),
    Fault("14b", "a handler kills its process from the parked messages", consumer.killer_behind_a_failure, seeds=(1,)),
    Fault("14c", "five messages in a row kill their process", consumer.many_killers, seeds=(1, 2)),
    Fault("15", "a handler always fails", consumer.poison),
    Fault("16", "a version that no handler knows", consumer.unknown_version),
    Fault("17", "PostgreSQL restarted, then killed", infrastructure.database_restarted),
    Fault("18", "sessions of PostgreSQL terminated for 15 s", infrastructure.sessions_struck),
    Fault("19", "no connections to PostgreSQL left for 40 s", infrastructure.connections_used_up),
    Fault("20", "4,000 events under an old REPEATABLE READ transaction", infrastructure.old_transaction),
    Fault("21", "a lower id commits late", relay.committed_late),
    Fault("22", "clocks of workers wrong by hours", infrastructure.clocks_wrong),
    Fault("22a", "clocks of processes that run sagas wrong by hours", sagas.clocks_of_sagas_wrong),
    Fault("23", "killed at every boundary of every saga, twice in a row", killed_at_every_boundary),
    Fault("23a", "web server and worker killed in a purchase, a refusal, a cancellation", sagas.real_processes),
    Fault("24", "a step is taken over from a process that stands still, which then goes on", sagas.two_workers),
    Fault("25", "the buyer pays before the charge is written down", sagas.reply_comes_first),
    Fault("26", "the gateway charges, or refunds, or not, and does not answer", sagas.unknown_outcome),
    Fault("27", "the money comes while the order is undone", sagas.paid_while_undone),
    Fault("28", "a compensation fails until a person retries it", sagas.compensation_fails),
    Fault("29", "cancelled while the order is created", sagas.cancelled_while_created),
    Fault("30", "time runs out at the moment of the payment", sagas.paid_in_the_last_moment),
    Fault("31", "old and new code beside each other", sagas.old_and_new_code),
    Fault("32", "one of six services killed for a while", services.killed_for_a_while),
    Fault("32a", "one of six services stands still for a while", services.standing_still_for_a_while, seeds=(5,)),
    Fault("33", "the keys of services exchanged while people buy", keys_rotated),
    Fault(
        "36a", "retention begins after the first events", infrastructure.retention_after_the_first_events, seeds=(1,)
    ),
    Fault("36", "retention while relay and replay run", infrastructure.retention_beside_replay),
    Fault("37", "restored from a dump, with new transaction ids", infrastructure.restored),
)
BY_NUMBER = {fault.number: fault for fault in FAULTS}
SHORT_STORM = Fault("3", "workers killed at random moments", partial(relay.killed_at_random, events=600, kills=3))
FEW_DEATHS = Fault(
    "23", "killed at the boundaries of a payment", partial(killed_at_every_boundary, only="process_payment")
)
"""For the tests of every change."""
