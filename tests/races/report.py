"""What the races showed: a table for the terminal, and ``docs/races.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.stack import ROOT, Shape
from tests.faults.brokers import BROKERS
from tests.races.races import RACES, Race
from tests.results import aligned, in_markdown, rows_of

DOCUMENT = ROOT / "docs" / "races.md"
HEAD = ("race", "what happens at once", "in", "runs", "seeds", "s each", "on", "last result", "verdict")
NAMES = {Shape.ONE: "one process", Shape.SERVICES: "six services"}
INTRODUCTION = """\
# Races

`make races` starts an installation of its own: four web processes, worker, scheduler, payment sandbox, a PostgreSQL
and a mail server. With `SHAPE=services` there are six services instead, with two web processes, a worker, a scheduler
and a database each, behind their gateway; `BROKER=rabbitmq` gives them a node of RabbitMQ in the place of PGMQ.
Client processes open all connections, wait for each other, and let the requests of a race leave together. A race says
which answers may come; then, when nothing moves any more, every book is audited:

- reserved + free + sold = what came in, for each variant, by its balance, by the ledger, and by the orders;
- a paid order keeps its total and interest less what was refunded, any other keeps nothing;
- the payment sandbox has captured and refunded the same for each payment, charged none twice, and nothing else;
- uses of a coupon = its redemptions ≤ its limits, confirmed for orders that stand and given back for others;
- each order that stands was confirmed by one mail, which arrived once;
- every saga has ended, every handler took its events, none is parked, and each cart is what its events say.

Choose with `make races ONLY="stock coupon" SEED=7 RUNS=3`. A seed fixes what is random in the race, such as cards
that take time to charge and the moments of kills; not the timing of the machine. With `URL=http://…` the races take
place in an installation that runs already, with its demo data; databases and sandbox are found by the environment
(`VAR_DIR` or `DATABASE_URL`, `SANDBOX_PSP_URL`, `SANDBOX_PSP_API_KEY`), nothing is written down, and the last two
races are left out. A few races run among all tests, smaller (`tests/races/test_races.py`), and so does a proof that
the audit sees a breach.

So that an installation can be raced in, start it without rate limits and with a key of the sandbox that is known,
which is drawn at each start otherwise:

```
export SANDBOX_PSP_API_KEY=sk_sandbox THROTTLE_ANON= THROTTLE_USER= THROTTLE_LOGIN= THROTTLE_CODE= \\
    THROTTLE_LOOKUP= LOGIN_FAILED_RATE_LIMIT=
make run                                # and with the same variables in another terminal:
make races URL=http://127.0.0.1:8000
```

Only web processes that have been up for six seconds are killed: the web server takes one that dies sooner for one that
cannot run, and ends, which is for whoever supervises it.

A whole run writes the table; with `KEEP=1` a run of some races replaces their rows.
"""


@dataclass(frozen=True)
class Place:
    """Where races take place; ``str`` is its name in the table."""

    shape: Shape
    broker: str

    def __str__(self) -> str:
        return NAMES[self.shape] + (", RabbitMQ" if self.broker == "rabbitmq" else "")


@dataclass
class Outcome:
    """How one race went; ``broken`` by seed."""

    race: Race
    place: Place
    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    result: str = ""
    broken: dict[int, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        broken = [f"BROKEN with seed {seed}: {' '.join(why.split())[:200]}" for seed, why in self.broken.items()]
        return "; ".join(broken).replace("|", "/") or "held"

    @property
    def cells(self) -> tuple[str, ...]:
        runs, seeds = str(len(self.seeds)), ", ".join(map(str, self.seeds))
        spent = f"{self.seconds / len(self.seeds):.0f}" if self.seeds else ""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        result = self.result.replace("|", "/")
        return self.race.name, self.race.title, str(self.place), runs, seeds, spent, today, result, self.verdict


def table(outcomes: Sequence[Outcome]) -> str:
    return aligned(HEAD, [outcome.cells for outcome in outcomes])


def write(outcomes: Sequence[Outcome], *, document: Path = DOCUMENT) -> None:
    """Write the document, with the rows of races that were not run as they were."""
    rows = {(row[0], row[2]): row for row in (*rows_of(document, HEAD), *(outcome.cells for outcome in outcomes))}
    keys = [(race.name, str(Place(shape, broker))) for race in RACES for shape in NAMES for broker in BROKERS]
    ordered = [rows[key] for key in keys if key in rows]
    document.write_text(in_markdown(INTRODUCTION, HEAD, ordered))
