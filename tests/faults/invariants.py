"""What must hold whatever happened, read from the databases alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tests.faults.processes import FaultFailed, until
from tests.faults.promises import LEASE_SECONDS, RENEW_SECONDS
from tests.faults.rig import Rig

COMMITTED, EFFECTS = "order_service.fault_committed", "cart_service.fault_effects"
OUTBOX, ARCHIVE = "order_service.outbox_event", "order_service.outbox_archive"
SHOWN = 3

WRONG_COUNT = f"""
    SELECT c.event_id, count(e.event_id) FROM {COMMITTED} c LEFT JOIN {EFFECTS} e USING (event_id)
    GROUP BY c.event_id
    HAVING count(e.event_id) <> CASE WHEN c.event_id = ANY(%s::uuid[]) THEN 0 ELSE 1 END
"""
FROM_NOTHING = f"""
    SELECT event_id, 'effect' FROM {EFFECTS} WHERE event_id NOT IN (SELECT event_id FROM {COMMITTED})
    UNION ALL SELECT event_id, 'archive' FROM {ARCHIVE} WHERE event_id NOT IN (SELECT event_id FROM {COMMITTED})
    UNION ALL SELECT event_id, 'outbox' FROM {OUTBOX} WHERE event_id NOT IN (SELECT event_id FROM {COMMITTED})
    UNION ALL SELECT event_id, 'both' FROM order_service.fault_rolled_back JOIN {COMMITTED} USING (event_id)
"""
OUT_OF_ORDER = f"""
    SELECT subject, before, version FROM (
        SELECT subject, version, lag(version) OVER (PARTITION BY subject ORDER BY first) AS before
        FROM (SELECT subject, version, min(position) AS first FROM {EFFECTS} GROUP BY subject, version) AS firsts
    ) AS steps
    WHERE before > version
"""
NOT_ARCHIVED_ONCE = f"""
    SELECT c.event_id, count(a.event_id) FROM {COMMITTED} c LEFT JOIN {ARCHIVE} a USING (event_id)
    WHERE c.event_id NOT IN (SELECT event_id FROM {OUTBOX})
    GROUP BY c.event_id HAVING count(a.event_id) <> 1
"""
ORPHANED = """
    SELECT p.owner, count(*) FROM order_service.outbox_partition p
    LEFT JOIN order_service.outbox_relay r ON r.owner = p.owner AND r.seen_at > clock_timestamp() - %s * interval '1 s'
    WHERE p.owner IS NOT NULL AND p.lease_until > clock_timestamp() AND r.owner IS NULL
    GROUP BY p.owner
"""
TOO_LONG = """
    SELECT partition_no, lease_until FROM order_service.outbox_partition
    WHERE lease_until > clock_timestamp() + %s * interval '1 s'
"""


@dataclass(frozen=True)
class Expected:
    """What a fault leaves on purpose: ids of events that stay in the outbox, and of messages that stay parked."""

    in_outbox: Collection[str] = ()
    in_inbox: Collection[str] = ()
    discarded: Collection[str] = ()
    """What a person gave up: it is nowhere any more, and never has an effect."""

    @property
    def without_effect(self) -> list[str]:
        return [*self.in_outbox, *self.in_inbox, *self.discarded]


NOTHING = Expected()


def settled(rig: Rig, expected: Expected = NOTHING, *, within: float = 90, archive: bool = True) -> None:
    """Wait until everything has arrived, and check that all invariants hold.

    Raises:
        FaultFailed
    """
    until(
        lambda: arrived(rig, expected), "all events have their effect", within=within,
        state=lambda: "; ".join([state(rig), *breaches(rig, expected, archive=archive)]),
    )  # fmt: skip
    until(lambda: rig.broker.waiting() == 0, "the queue is empty", within=30)
    hold(rig, expected, archive=archive)


def flowing(rig: Rig) -> None:
    """Wait until events take effect, or the load is over.

    Raises:
        FaultFailed
    """
    before = effects(rig)
    until(
        lambda: effects(rig) > before or rig.publisher.answered, "events take effect", within=60,
        state=lambda: state(rig),
    )  # fmt: skip


def arrived(rig: Rig, expected: Expected = NOTHING) -> bool:
    """Tell whether nothing is left in outbox and inbox but what is expected there."""
    missing = rig.number(
        f"SELECT count(*) FROM {COMMITTED} c WHERE c.event_id <> ALL(%s::uuid[])"
        f" AND NOT EXISTS (SELECT 1 FROM {EFFECTS} e WHERE e.event_id = c.event_id)",
        [expected.without_effect],
    )
    return (
        missing == 0
        and outbox(rig) == set(expected.in_outbox)
        and parked(rig) == set(expected.in_inbox)
    )  # fmt: skip


def state(rig: Rig) -> str:
    """Say where the events are, for whoever reads a failure."""
    return (
        f"{rig.number(f'SELECT count(*) FROM {COMMITTED}')} committed, {len(outbox(rig))} in the outbox, "
        f"{published(rig)} in the archive, {rig.broker.waiting()} in the queue, {rig.broker.lost()} laid aside by the "
        f"broker, {effects(rig)} effects, {len(parked(rig))} parked"
    )


def hold(rig: Rig, expected: Expected = NOTHING, *, archive: bool = True) -> None:
    """Check the invariants now.

    Raises:
        FaultFailed: with the first few of each kind of breach.
    """
    if found := breaches(rig, expected, archive=archive):
        raise FaultFailed("; ".join(found))


def breaches(rig: Rig, expected: Expected, *, archive: bool) -> list[str]:
    """Return what does not hold, each with the first few cases."""
    checks = {
        "I1, exactly one effect": rig.query(WRONG_COUNT, [expected.without_effect]),
        "I2, nothing from nowhere": rig.query(FROM_NOTHING),
        "I3, in version order": rig.query(OUT_OF_ORDER),
        "I6, leases are bounded": rig.query(TOO_LONG, [LEASE_SECONDS + 0.5]),
        "archived once": rig.query(NOT_ARCHIVED_ONCE) if archive else [],
        "parked as expected": sorted(parked(rig) ^ set(expected.in_inbox)),
        "outbox as expected": sorted(outbox(rig) ^ set(expected.in_outbox)),
        "laid aside by the broker": [("messages", lost)] if (lost := rig.broker.lost()) else [],
    }
    return [f"{name}: {len(rows)}, such as {rows[:SHOWN]}" for name, rows in checks.items() if rows]


def leases_follow(rig: Rig) -> None:
    """I6: within the bound, every lease belongs to a relay that lives, and none is free while one lives."""
    bound = LEASE_SECONDS + 2 * RENEW_SECONDS + 2
    until(
        lambda: (
            not rig.query(ORPHANED, [2 * RENEW_SECONDS])
            and not rig.query(
                "SELECT 1 FROM order_service.outbox_partition WHERE lease_until IS NULL OR lease_until < now()"
            )
        ),
        "every lease belongs to a relay that lives",
        within=bound,
    )


def outbox(rig: Rig) -> set[str]:
    return {str(row[0]) for row in rig.query(f"SELECT event_id FROM {OUTBOX}")}


def parked(rig: Rig) -> set[str]:
    return {str(row[0]) for row in rig.query("SELECT message_id FROM cart_service.inbox_parked")}


def effects(rig: Rig) -> int:
    return rig.number(f"SELECT count(*) FROM {EFFECTS}")


def published(rig: Rig) -> int:
    return rig.number(f"SELECT count(*) FROM {ARCHIVE}")


def effects_of(rig: Rig, ids: Collection[str]) -> int:
    return rig.number(f"SELECT count(*) FROM {EFFECTS} WHERE event_id = ANY(%s::uuid[])", [list(ids)])


def require(holds: object, what: str) -> None:
    """Raise FaultFailed unless ``holds``."""
    if not holds:
        raise FaultFailed(what)
