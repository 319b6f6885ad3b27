"""``python -m tests.faults``: run all faults, print what held, and write it down in ``docs/faults.md``.

Exit code 0 when every promise held, 1 when one did not, 2 when nothing could be run.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from random import Random, SystemRandom

from tests.faults.brokers import BROKERS, Absent
from tests.faults.faults import BY_NUMBER, FAULTS, Fault
from tests.faults.report import Outcome, summary, table, write
from tests.faults.rig import Rig, opened


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    first = options.seed if options.seed is not None else SystemRandom().randrange(10**6)
    print(f"seeds from {first}, {options.runs} for each fault", flush=True)
    chosen = [BY_NUMBER[number] for number in options.only] or list(FAULTS)
    outcomes: list[Outcome] = []
    skipped: dict[str, str] = {}
    for broker in options.brokers:
        try:
            with opened(broker) as rig:
                outcomes += _all(rig, chosen, first, options.runs)
        except Absent as reason:
            skipped[broker] = str(reason)
        except KeyboardInterrupt:
            return 130
    print(table(outcomes))
    if options.keep or not (options.only or skipped or set(options.brokers) != set(BROKERS)):
        write(outcomes)
    print(summary(outcomes, skipped))
    if not outcomes:
        return 2
    failed = any(outcome.failures for outcome in outcomes)
    return int(failed or bool(skipped and os.environ.get("CI")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Prove the promise under faults.")
    parser.add_argument("--seed", type=int, help="the first one (default: a random one)")
    parser.add_argument("--runs", type=int, default=1, help="seeds for each fault and broker (default: 1)")
    parser.add_argument("--only", nargs="+", default=[], choices=list(BY_NUMBER), metavar="FAULT", help="its number")
    parser.add_argument("--brokers", nargs="+", default=list(BROKERS), choices=list(BROKERS))
    parser.add_argument("--keep", action="store_true", help="put the results into docs/faults.md, few as they may be")
    return parser.parse_args()


def _all(rig: Rig, faults: list[Fault], first: int, runs: int) -> list[Outcome]:
    outcomes = []
    for fault in faults:
        outcome = Outcome(fault, rig.broker.name)
        seeds = () if rig.broker.name in fault.not_for else (*fault.seeds, *range(first, first + runs))
        for seed in dict.fromkeys(seeds):
            _one(rig, outcome, seed)
        outcomes.append(outcome)
    return outcomes


def _one(rig: Rig, outcome: Outcome, seed: int) -> None:
    started = time.monotonic()
    try:
        rig.reset()
        result = outcome.fault.run(rig, Random(seed))
    except Exception as error:
        outcome.failures[seed] = f"{type(error).__name__}: {error}"
        result = f"FAILED {outcome.failures[seed]}"
        traceback.print_exc()
        print(rig.ends_of_logs(), file=sys.stderr)
    outcome.seeds.append(seed)
    spent = time.monotonic() - started
    outcome.seconds += spent
    fault = outcome.fault
    print(f"{fault.number:>4} {outcome.broker:8} seed {seed:<7} {spent:5.1f} s  {fault.title}: {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
