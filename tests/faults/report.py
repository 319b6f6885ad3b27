"""What the faults showed: a table for the terminal, and ``docs/faults.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.stack import ROOT
from tests.faults.brokers import BROKERS
from tests.faults.faults import FAULTS, Fault
from tests.results import aligned, in_markdown, rows_of

DOCUMENT = ROOT / "docs" / "faults.md"
INTRODUCTION = """\
# Faults

*A committed event takes effect in every subscribed context exactly once; for one aggregate, first effects happen in
version order; nothing from a rolled-back transaction is ever published; on the wire duplicates are possible at any
time.*

`make faults` tries to break this promise. It starts a database server, a RabbitMQ node and real workers of its own,
publishes from one context to another at random, kills, stops and cuts off what takes part, and then asks the databases:
every committed event has exactly one effect (the table of effects has no constraint that would help), nothing that was
rolled back has any, effects of one subject are in version order, every event is in the archive once, outbox and queue
are empty, nothing is parked but what must be, and no lease is longer than its bound.

*Whatever happens to an order, money equals goods: what the bank keeps for it is what it is worth if it stands, and
nothing if it does not; its pieces and its coupon are taken or given back accordingly; every saga ends, or waits for a
person.*

Faults 22a to 31 try to break this one. They add a shop that sells over HTTP, and a payment server with books of its
own (`tests/sandbox_psp`). Real checkouts, cancellations and refunds run in processes that are killed (SIGKILL) or
stopped (SIGSTOP) at a boundary of a step: the intent is on disk, the action was taken, its end is on disk, the
gateway has answered. The rig's settings wrap the steps to that end; the product knows nothing of it. Fault 23 takes
the boundaries from the registered sagas, so that a new step is covered or reported as one that no story comes by, and
kills twice in a row. So that a death costs nothing, most of these processes are forked for one request, and a worker's
work is one too; 23a does it to Granian and Celery themselves. Leases and pauses are cut short. Then the bank's books
are compared with our ledger, payment by payment, with what each order is worth, and these with stock, coupons and
carts (`tests/faults/books.py`). These faults do not involve the broker except by the events that follow from an
order.

Faults 32 to 33 have an installation in six services, with a database each, a gateway and the broker of the rig
(`tests/faults/six.py`); every process is started by itself, with what `manage.py run_services` would give it. One
service, catalog or promotion, is away with its worker and its scheduler while people buy
(`tests/faults/customers.py`). The circuits to it open: whoever needs it is told 503 `unreachable` at once, and of all
calls a few try. What does not need it is answered as ever; orders are cancelled, and others run out of time, whose
sagas wait for it and are not parked. When it is back, circuits close, its queue empties, and six books agree, as
after a race ([races.md](races.md)). Under 33 each service that calls others gets a new key as [the
runbook](runbooks/rotate-service-keys.md) says (`tests/faults/rotation.py`): no purchase is refused, the old key
counts until it is withdrawn and then no more, and a key of nobody never does.

Choose with `make faults SEED=7 RUNS=3 ONLY="2 13" BROKER=pgmq`. A seed fixes what is random in the test, not the
timing of the machine. RabbitMQ has to be installed; a server of it that runs is neither needed nor touched. A few
faults run among all tests, with every change (`tests/faults/test_faults.py`), and so does a proof that the checks see a
breach.

A whole run writes the table; with `KEEP=1` a run of some faults replaces their rows.
"""


@dataclass
class Outcome:
    """How one fault went with one broker; ``failures`` by seed."""

    fault: Fault
    broker: str
    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def result(self) -> str:
        if reason := self.fault.not_for.get(self.broker):
            return f"does not apply: {reason}"
        failed = [f"FAILED with seed {seed}: {' '.join(why.split())[:200]}" for seed, why in self.failures.items()]
        return "; ".join(failed).replace("|", "/") or "held"

    @property
    def cells(self) -> tuple[str, ...]:
        runs, seeds = str(len(self.seeds)), ", ".join(map(str, self.seeds))
        spent = f"{self.seconds / len(self.seeds):.0f}" if self.seeds else ""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        return self.fault.number, self.fault.title, self.broker, runs, seeds, spent, today, self.result


HEAD = ("fault", "what happens", "broker", "runs", "seeds", "s each", "on", "result")


def table(outcomes: Sequence[Outcome]) -> str:
    return aligned(HEAD, [outcome.cells for outcome in outcomes])


def summary(outcomes: Sequence[Outcome], skipped: Mapping[str, str]) -> str:
    """Return the last line."""
    runs, failed = sum(len(each.seeds) for each in outcomes), sum(len(each.failures) for each in outcomes)
    left = "".join(f"; {broker} left out: {reason}" for broker, reason in skipped.items())
    pairs = sum(bool(each.seeds) for each in outcomes)
    return f"{pairs} pairs of fault and broker, {runs} runs, {failed} failed{left}"


def write(outcomes: Sequence[Outcome], *, document: Path = DOCUMENT) -> None:
    """Write the document, with the rows of faults that were not run as they were."""
    rows = {(row[0], row[2]): row for row in rows_of(document, HEAD)}
    rows |= {(outcome.fault.number, outcome.broker): outcome.cells for outcome in outcomes}
    ordered = [rows[key] for key in ((fault.number, broker) for fault in FAULTS for broker in BROKERS) if key in rows]
    document.write_text(in_markdown(INTRODUCTION, HEAD, ordered))
