"""A few faults with every change, against one broker or the other. ``make faults`` runs them all against both."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from random import Random
from uuid import uuid4

import pytest

from tests.faults.books import breaches, money_equals_goods, unrest
from tests.faults.brokers import Absent
from tests.faults.faults import BY_NUMBER, FEW_DEATHS, SHORT_STORM, Fault
from tests.faults.invariants import COMMITTED, EFFECTS, hold, settled
from tests.faults.processes import FaultFailed
from tests.faults.promises import LEASE_SECONDS
from tests.faults.rig import Rig, opened
from tests.faults.saga_kills import killed_at_every_boundary
from tests.faults.shop import CARD

CHOSEN = {
    "pgmq": [BY_NUMBER["2"], BY_NUMBER["13"], BY_NUMBER["16"], BY_NUMBER["21"]],
    "rabbitmq": [BY_NUMBER["2"], SHORT_STORM, BY_NUMBER["12"]],
}
OF_SAGAS = [FEW_DEATHS, BY_NUMBER["25"]]
SEED = 1
pytestmark = pytest.mark.timeout(600)
"""What takes ten or twenty seconds on a machine that has nothing else to do; the first also starts the installation."""
LEASES = "UPDATE order_service.outbox_partition SET lease_until"
BREACHES = {
    "I1, exactly one effect: 1, such as .*, 2": (
        f"INSERT INTO {EFFECTS} (event_id, subject, version) SELECT event_id, subject, version FROM {EFFECTS} LIMIT 1",
        f"DELETE FROM {EFFECTS} WHERE worker_pid IS NULL",
    ),
    "I1, exactly one effect: 1, such as .*, 0": (
        f"INSERT INTO {COMMITTED} VALUES (gen_random_uuid(), gen_random_uuid(), 1, '', 'planted')",
        f"DELETE FROM {COMMITTED} WHERE mode = 'planted'",
    ),
    "I2": (
        f"INSERT INTO {EFFECTS} (event_id, subject, version) VALUES (gen_random_uuid(), gen_random_uuid(), 1)",
        f"DELETE FROM {EFFECTS} WHERE worker_pid IS NULL",
    ),
    "I3": (f"UPDATE {EFFECTS} SET position = -position", f"UPDATE {EFFECTS} SET position = -position"),
    "I6": (f"{LEASES} = now() + interval '{LEASE_SECONDS + 5} s'", f"{LEASES} = NULL"),
}
"""What a check must say, how to plant it, and how to undo that."""


@pytest.fixture(scope="module")
def rigs() -> Iterator[Callable[[str], Rig]]:
    """Open an installation with a broker, each once."""
    with ExitStack() as stack:
        yield cache(lambda broker: stack.enter_context(opened(broker)))


@pytest.fixture
def rig(request: pytest.FixtureRequest, rigs: Callable[[str], Rig]) -> Rig:
    """The installation with the broker that the test names, or PGMQ. RabbitMQ is required when CI is set, else skipped
    where it is not."""
    try:
        return rigs(getattr(request, "param", "pgmq"))
    except Absent as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))


@pytest.mark.parametrize(
    ("rig", "fault", "seed"),
    [
        pytest.param(broker, fault, seed, id=f"{broker}-{fault.number}-{seed}")
        for broker, faults in CHOSEN.items()
        for fault in faults
        for seed in {SEED, *fault.seeds}
    ],
    indirect=["rig"],
)
def test_the_promise_holds_when(rig: Rig, fault: Fault, seed: int) -> None:
    rig.reset()
    try:
        fault.run(rig, Random(seed))
    except FaultFailed:
        print(rig.ends_of_logs(), file=sys.stderr)
        raise


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.number) for fault in OF_SAGAS])
def test_money_equals_goods_when(rig: Rig, fault: Fault) -> None:
    rig.reset()
    try:
        fault.run(rig, Random(SEED))
    except FaultFailed:
        print(rig.ends_of_logs(), file=sys.stderr)
        raise


def test_a_defect_of_a_saga_is_seen(rig: Rig) -> None:
    rig.reset()
    at = "CREATE_ORDER.reserve_inventory.undo.before"
    with pytest.raises(FaultFailed, match="goods"):
        killed_at_every_boundary(rig, Random(SEED), only=at, sabotage="nothing-undone")


def test_money_that_is_not_where_it_belongs_is_seen(rig: Rig) -> None:
    rig.reset()
    shop = rig.shop(forking=True)
    rig.start()
    order = shop.order(shop.fill(), CARD)
    money_equals_goods(shop)
    (charge,) = shop.charges()
    again = {name: charge[name] for name in ("reference", "amount", "currency", "method")}
    again["card"] = {"token": "tok_approved", "installments": 1}
    shop.bank.post("/v1/charges", json=again, headers={"Idempotency-Key": "once-more"}).raise_for_status()
    assert [each.partition(" (")[0] for each in breaches(shop)] == [
        "charged twice",
        "bank and ledger",
        "bank and orders",
    ]
    shop.bank.post(
        "/v1/charges", json=again | {"reference": str(uuid4())}, headers={"Idempotency-Key": "of-nobody"}
    ).raise_for_status()
    assert breaches(shop)[0].startswith("charges that are nobody's")
    rig.query("UPDATE order_service.saga_instance SET status = 'RUNNING' WHERE subject = %s", [order])
    assert [each.partition(" (")[0] for each in unrest(shop)] == ["sagas"]


def test_a_breach_is_seen(rig: Rig) -> None:
    rig.reset()
    worker, subject = rig.start(), str(uuid4())
    rig.publish({"subject": subject}, {"subject": subject})
    settled(rig)
    worker.kill()
    for what, (plant, undo) in BREACHES.items():
        rig.query(plant)
        with pytest.raises(FaultFailed, match=what):
            hold(rig)
        rig.query(undo)
    hold(rig)
