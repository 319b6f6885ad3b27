"""``manage.py events``: what waits, what is parked, what is missing; and publishing again."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections

from config.replay import Replay, Tally
from config.verification import Missing, verify
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox import figures as inbox
from ecommerce.inbox import staff as inbox_staff
from ecommerce.inbox.registry import Handler, handlers
from ecommerce.messaging.upcasting import with_older
from ecommerce.outbox import figures as outbox
from ecommerce.outbox import staff as outbox_staff
from ecommerce.topology import Context, current

SHOWN_PARKED = 200
"""Rows listed of each table of each context."""
SHOWN_MISSING = 50
REASON_LENGTH = 100
GRACE = 60
PROGRESS_SECONDS = 1.0
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
CLEAR = "\x1b[2J\x1b[H"
STATUS_HEAD = (
    "context", "pending", "blocked", "parked", "oldest s", "archived ~", "handled ~", "inbox waiting", "inbox parked",
)  # fmt: skip


class Command(BaseCommand):
    help = "Look after events: status, parked, retry, replay, verify."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        status = actions.add_parser("status", help="count outbox and inbox of every context that runs here")
        status.add_argument("--watch", type=_seconds, metavar="SECONDS", help="show it again and again, until Ctrl-C")
        parked = actions.add_parser("parked", help="list what waits for another attempt or for a person")
        parked.add_argument("--context", help="of this context only")
        _add_retry(actions.add_parser("retry", help="let what is parked or blocked be tried again at once"))
        _add_replay(actions.add_parser("replay", help="hand published events to one handler that missed them"))
        check = actions.add_parser("verify", help="find published events that a handler was never handed")
        _add_period(check)
        check.add_argument(
            "--grace", type=_seconds, default=GRACE, metavar="SECONDS", help="age at which an event should have arrived"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "status": self._status,
            "parked": self._parked,
            "retry": self._retry,
            "replay": self._replay,
            "verify": self._verify,
        }
        try:
            actions[options["action"]](options)
        except Error as error:
            raise CommandError(f"A database did not answer as it should: {error}") from error

    def _status(self, options: dict[str, Any]) -> None:
        if options["watch"] is None:
            self.stdout.write(_status_table())
            return
        try:
            while True:
                self.stdout.write(f"{CLEAR}{_status_table()}\n\n{clock.now():%Y-%m-%d %H:%M:%S} UTC, Ctrl-C ends")
                self.stdout.flush()
                time.sleep(options["watch"])
        except KeyboardInterrupt:
            self.stdout.write("")

    def _parked(self, options: dict[str, Any]) -> None:
        contexts = [_local(options["context"])] if options["context"] else current().local
        for context in contexts:
            events, messages = (
                outbox.held(context.alias, limit=SHOWN_PARKED + 1),
                inbox.parked(context.alias, limit=SHOWN_PARKED + 1),
            )
            if not events and not messages:
                self.stdout.write(f"{context.name}: nothing is parked")
            for title, rows, head in (
                ("outbox", events, ("id", "type", "key", "status", "attempts", "reason")),
                ("inbox", messages, ("id", "consumer", "type", "key", "status", "attempts", "reason")),
            ):
                self._list(f"{context.name} {title}", head, rows)

    def _list(self, title: str, head: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        shown = [(*(str(cell) for cell in row[:-1]), _one_line(row[-1])) for row in rows[:SHOWN_PARKED]]
        self.stdout.write(title)
        self.stdout.write("\n".join(_aligned([head, *shown])))
        if len(rows) > SHOWN_PARKED:
            self.stdout.write(f"only the first {SHOWN_PARKED} are shown")
        self.stdout.write("")

    def _retry(self, options: dict[str, Any]) -> None:
        context = _local(options["context"])
        events, messages = outbox.held_ids(context.alias), inbox.retriable_ids(context.alias)
        if not options["all"]:
            events = _chosen(options["outbox"], events, f"blocked or parked in the outbox of {context.name}")
            messages = _chosen(options["inbox"], messages, f"a parked message of {context.name} that can be retried")
        retried = (
            outbox_staff.retry(context.alias, events) if events else (),
            inbox_staff.retry(context.alias, messages, now=clock.now()) if messages else (),
        )
        self.stdout.write(
            f"{context.name}: {len(retried[0])} outbox event(s), {len(retried[1])} inbox message(s) to be tried again"
        )

    def _replay(self, options: dict[str, Any]) -> None:
        """Replay, or tell what a replay would do.

        Raises:
            CommandError: the handler is unknown, runs elsewhere or listens to something else; nothing was handed over.
        """
        publisher, (since, until) = _local(options["context"]), _period(options)
        handler, types = _listener(options["to"], publisher, options["type"])
        run = Replay(publisher, handler, types, new_id(), since, until, options["aggregate"])
        dry: bool = options["dry_run"]
        tally, shown_at = Tally(), 0.0
        for tally in run.rehearse() if dry else run.run():
            if time.monotonic() >= shown_at:
                self.stderr.write(f"{tally.read} read, published up to {tally.at}", str)
                shown_at = time.monotonic() + PROGRESS_SECONDS
        self.stdout.write(
            f"dry run to {handler.name}: {tally.read} read, {tally.new} would be handed over, "
            f"{tally.duplicates} duplicates, {tally.parked} parked"
            if dry
            else f"replay {run.run_id} to {handler.name}: {tally.read} read, {tally.handled} handled, "
            f"{tally.ignored} ignored, {tally.duplicates} duplicates, {tally.parked} parked"
        )

    def _verify(self, options: dict[str, Any]) -> None:
        """Tell what is missing.

        Raises:
            CommandError: something is; the exit code is 1.
        """
        since, until = _period(options)
        until = min(until, clock.now() - timedelta(seconds=options["grace"]))
        shown: list[Missing] = []
        events = deliveries = missing = 0
        for batch in verify(current(), since=since, until=until):
            events, deliveries = events + batch.events, deliveries + batch.deliveries
            missing += len(batch.missing)
            shown += batch.missing[: SHOWN_MISSING - len(shown)]
        if shown:
            rows = [(str(each.event.event_id), each.event.type, each.event.subject, each.handler) for each in shown]
            self.stdout.write("\n".join(_aligned([("event", "type", "subject", "missing in"), *rows])))
        if len(current().local) < len(current().contexts):
            self.stdout.write("Only the contexts that run here were checked.")
        self.stdout.write(f"{events} events checked, {deliveries} deliveries expected, {missing} missing")
        if missing:
            raise CommandError(f"{missing} deliveries are missing. See docs/runbooks/parked.md")


def _add_retry(parser: CommandParser) -> None:
    parser.add_argument("--context", required=True)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--outbox", type=int, nargs="+", default=[], metavar="ID", help="events that did not leave")
    chosen.add_argument("--inbox", type=int, nargs="+", default=[], metavar="ID", help="messages a handler refused")
    chosen.add_argument("--all", action="store_true", help="both, all of them")


def _add_replay(parser: CommandParser) -> None:
    parser.add_argument("--context", required=True, help="who published the events")
    parser.add_argument("--to", required=True, metavar="HANDLER", help="such as cart.remember_variant_price")
    parser.add_argument(
        "--type", nargs="+", default=[], metavar="TYPE", help="of what the handler listens to, only this"
    )
    parser.add_argument("--aggregate", default="", metavar="ID", help="only the events of this order, variant, …")
    parser.add_argument("--dry-run", action="store_true", help="tell only what would be handed over")
    _add_period(parser)


def _add_period(parser: CommandParser) -> None:
    parser.add_argument(
        "--since", type=_moment, default=BEGINNING, help="published then or later: ISO 8601 with offset"
    )
    parser.add_argument("--until", type=_moment, help="published before then; now by default")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} is no ISO 8601 time with an offset, such as 2026-11-28T09:00:00-03:00")
    return moment


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 10**9:
        raise ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _period(options: dict[str, Any]) -> tuple[datetime, datetime]:
    since, until = options["since"], options["until"] or clock.now()
    if since >= until:
        raise CommandError(f"Nothing is published from {since.isoformat()} to before {until.isoformat()}.")
    return since, until


def _local(name: str) -> Context:
    if name not in current().by_name:
        raise CommandError(f"There is no context {name}. There are: {', '.join(current().by_name)}")
    context = current()[name]
    if not context.local:
        raise CommandError(f"The context {name} does not run here. Ask where it does.")
    return context


def _listener(name: str, publisher: Context, types: Sequence[str]) -> tuple[Handler, list[str]]:
    """Return the handler called ``name`` and those of ``types`` that it gets; without ``types``, its own type and all
    old versions of that.

    Raises:
        CommandError
    """
    context = _local(name.partition(".")[0])
    known = {handler.name: handler for handler in handlers(context=context.name)}
    if name not in known:
        raise CommandError(f"There is no handler {name}. {context.name} has: {', '.join(known) or 'none'}")
    type_ = known[name].event.type
    if type_.partition(".")[0] != publisher.name:
        raise CommandError(f"{name} listens to {type_}, which {publisher.name} does not publish.")
    heard = with_older([type_])
    if others := sorted(set(types) - heard):
        raise CommandError(f"{name} listens to {type_}, not to {', '.join(others)}.")
    return known[name], sorted(set(types) or heard)


def _chosen(wanted: Iterable[int], possible: Collection[int], what: str) -> list[int]:
    if unknown := sorted(set(wanted) - set(possible)):
        raise CommandError(f"Not {what}: {', '.join(map(str, unknown))}. Nothing was changed.")
    return sorted(set(wanted))


def _status_table() -> str:
    rows = [(context.name, *_status_cells(context)) for context in current().local]
    return "\n".join([*_aligned([STATUS_HEAD, *rows], numbers=True), "~ PostgreSQL's estimate"])


def _status_cells(context: Context) -> tuple[str, ...]:
    """Return the cells after the name. A database that does not answer hides no other."""
    try:
        sent, received = outbox.figures(context.alias), inbox.figures(context.alias)
    except Error as error:
        connections[context.alias].close()
        return (f"no answer: {type(error).__name__}", *[""] * (len(STATUS_HEAD) - 2))
    oldest = "-" if sent.oldest is None else f"{sent.oldest:.0f}"
    counts = (sent.archived, received.handled, received.waiting, received.parked)
    return (str(sent.pending), str(sent.blocked), str(sent.parked), oldest, *map(str, counts))


def _aligned(rows: Sequence[tuple[str, ...]], *, numbers: bool = False) -> list[str]:
    """Return rows as lines of aligned columns; with ``numbers`` all but the first are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if numbers and index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:REASON_LENGTH]
