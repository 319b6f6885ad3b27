"""``python -m tests.races``: run all races, print what held, and write it down in ``docs/races.md``.

Exit code 0 when every race held, 1 when one broke, 2 when nothing could be run.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random, SystemRandom

from tests.e2e.stack import Shape, StackFailed
from tests.faults.brokers import BROKERS, Absent
from tests.races.arena import WEB_WORKERS, Arena, opened, visited
from tests.races.races import BY_NAME, RACES, Race
from tests.races.report import Outcome, Place, table, write


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    first = options.seed if options.seed is not None else SystemRandom().randrange(10**6)
    chosen = [BY_NAME[name] for name in options.only] or list(RACES)
    if options.url:
        chosen = [race for race in chosen if not race.own]
    print(f"seeds from {first}, {options.runs} for each race", flush=True)
    place = Place(Shape(options.shape), options.broker)
    try:
        with visited(options.url) if options.url else _own(place) as arena:
            outcomes = [_all(arena, race, place, range(first, first + options.runs)) for race in chosen]
    except (StackFailed, Absent) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(table(outcomes))
    if not options.url and (options.keep or not options.only):
        write(outcomes)
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    print(f"{len(outcomes)} races, {sum(len(outcome.seeds) for outcome in outcomes)} runs, {broken} broken")
    return int(bool(broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.races", description="Race against a running shop.")
    parser.add_argument("--seed", type=int, help="the first one (default: a random one)")
    parser.add_argument("--runs", type=int, default=1, help="seeds for each race (default: 1)")
    parser.add_argument("--only", nargs="+", default=[], choices=list(BY_NAME), metavar="RACE", help="its name")
    parser.add_argument("--url", default="", help="of an installation that runs (default: start one)")
    shapes = [shape.value for shape in WEB_WORKERS]
    parser.add_argument("--shape", default=Shape.ONE.value, choices=shapes, help="of the one that is started")
    parser.add_argument("--broker", default="pgmq", choices=list(BROKERS), help="its broker: RabbitMQ is a new node")
    parser.add_argument("--keep", action="store_true", help="put the results into docs/races.md, few as they may be")
    return parser.parse_args()


@contextmanager
def _own(place: Place) -> Iterator[Arena]:
    """Start an installation, and a node of RabbitMQ if that is its broker, and remove both.

    Raises:
        StackFailed, Absent
    """
    broker = BROKERS[place.broker]()
    try:
        with opened(shape=place.shape, broker_url=broker.url) as arena:
            yield arena
    finally:
        broker.close()


def _all(arena: Arena, race: Race, place: Place, seeds: Sequence[int]) -> Outcome:
    outcome = Outcome(race, place)
    for seed in seeds:
        started = time.monotonic()
        try:
            arena.begin()
            outcome.result = result = race.run(arena, Random(seed))
        except Exception as error:
            outcome.broken[seed] = f"{type(error).__name__}: {error}"
            result = f"BROKEN {outcome.broken[seed]}"
            traceback.print_exc()
        outcome.seeds.append(seed)
        outcome.seconds += (spent := time.monotonic() - started)
        print(f"{race.name:>8} seed {seed:<7} {spent:5.1f} s  {race.title}: {result}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
