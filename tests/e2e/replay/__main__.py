"""``python -m tests.e2e.replay --data DIR [--orders N] [--buyers 4] [--shape services]``: buy real orders, audit the
books, stop it all.

Ends with one line of JSON. Exit code 0 when every difference is zero, 1 when one is not, 2 when the run broke off.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console

from tests.e2e.replay import books, files, mailbox, report
from tests.e2e.replay.audit import Audit, Evidence, audit
from tests.e2e.replay.books import Books
from tests.e2e.replay.client import Bank, Refused, Shop, Staff
from tests.e2e.replay.mailbox import Mailbox
from tests.e2e.replay.progress import Display
from tests.e2e.replay.run import Replay, TooLate
from tests.e2e.stack import Shape, Stack, StackFailed, running

STAFF = "admin@loja.example"
STOPPING = (signal.SIGINT, signal.SIGTERM)
FAILURES = (
    files.UnreadableFiles,
    StackFailed,
    TooLate,
    Refused,
    httpx.HTTPError,
    psycopg.Error,
    TimeoutError,
)


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    console = Console(stderr=True)
    display = Display(console)
    for number in STOPPING:
        signal.signal(number, _interrupt)
    try:
        known = files.read(options.data)
        orders = files.choose(known.orders, options.orders)
        with display.running(), _installation(display, options.shape) as (stack, mail):
            audited = _replay(known, orders, stack, mail, display, buyers=options.buyers)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except FAILURES as error:
        console.print(f"{type(error).__name__}: {error}", markup=False, highlight=False)
        return 2
    report.show(audited, display.seconds)
    return 0 if audited.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.replay", description="Buy real orders, audit the books.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the files of the Olist dataset")
    parser.add_argument("--orders", type=_positive, help="how many orders, spread over the files (default: all)")
    parser.add_argument("--buyers", type=_positive, default=4, help="how many customers act at the same time")
    parser.add_argument("--shape", type=Shape, choices=list(Shape), default=Shape.ONE, help="of the installation")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


@contextmanager
def _installation(display: Display, shape: Shape) -> Iterator[tuple[Stack, Mailbox]]:
    """Start a fresh installation that sends its mail to a mailbox of ours, and stop it all afterwards."""
    with ExitStack() as used:
        database_url = used.enter_context(_database_of_its_own())
        mail = used.enter_context(mailbox.running())
        with display.phase("starting"):
            stack = used.enter_context(running(shape=shape, EMAIL_URL=mail.url, DATABASE_URL=database_url))
        yield stack, mail


def _replay(
    known: files.Files, orders: list[files.Order], stack: Stack, mail: Mailbox, display: Display, *, buyers: int
) -> Audit:
    with ExitStack() as used:
        ledgers = used.enter_context(books.opened(stack.environment, stack.var_dir))
        shop, bank = Shop(stack.url, connections=buyers), Bank(stack.psp_url, stack.psp_api_key)
        used.callback(shop.close)
        used.callback(bank.close)
        replay = Replay(known, orders, shop, bank, display, buyers=buyers)
        try:
            subscriptions = _act(replay, shop, stack, ledgers, mail, every_product=len(orders) == len(known.orders))
            with display.phase("audit"):
                audited = audit(_evidence(replay, subscriptions, shop, bank, stack, ledgers, mail))
        except FAILURES:
            report.show_troubles(stack.log, ledgers, Console(stderr=True))
            raise
        if not audited.passed:
            report.show_troubles(stack.log, ledgers, Console(stderr=True))
        return audited


def _act(
    replay: Replay, shop: Shop, stack: Stack, ledgers: Books, mail: Mailbox, *, every_product: bool
) -> books.Subscriptions:
    """Go through all phases; return which handler listens to which event."""
    subscriptions = stack.subscriptions()
    staff = Staff(shop, shop.log_in(STAFF, _staff_password(stack)))
    replay.stock_the_shop(staff, every_product=every_product)
    replay.open_accounts()
    replay.buy(staff)
    replay.await_payments(staff)
    replay.fulfil(staff)
    replay.review()
    replay.settle(ledgers, subscriptions, mail)
    return subscriptions


def _evidence(
    replay: Replay,
    subscriptions: books.Subscriptions,
    shop: Shop,
    bank: Bank,
    stack: Stack,
    ledgers: Books,
    mail: Mailbox,
) -> Evidence:
    return Evidence(
        orders=replay.orders,
        outcome=replay.outcome,
        books=ledgers,
        subscriptions=subscriptions,
        bank=bank.books(),
        received=mail.received(),
        metrics=stack.metrics(),
        carts_differ=_carts_differing(stack),
    )


def _staff_password(stack: Stack) -> str:
    """Make the accounts of the staff with a password of this run, and return it."""
    password = secrets.token_urlsafe(16)
    stack.manage("load_demo_users", "--password", password)
    return password


def _carts_differing(stack: Stack) -> int:
    """Return 0 when every cart is what its events say."""
    try:
        stack.manage("rebuild_carts", "--verify")
    except StackFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextmanager
def _database_of_its_own() -> Iterator[str]:
    """With ``DATABASE_URL``, yield the URL of a new database on that server, dropped afterwards with those
    whose names begin with its own; else nothing."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield ""
        return
    name = f"replay_{secrets.token_hex(4)}"
    try:
        yield _with_database(url, name)
    finally:
        with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as server:
            for (each,) in server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name]):
                server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(each)))


def _with_database(url: str, name: str) -> str:
    """Return ``url`` with another database in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the run once; while everything is being stopped, impatience changes nothing."""
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
