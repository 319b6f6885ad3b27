"""Where races take place: an installation with its books, a crowd of buyers before it, and something to buy."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import orjson
import psycopg

from config.management.commands.run import DEMO_PASSWORD
from tests.bench.load import Answer, Flow, drive, post
from tests.bench.shop import OWN_DATABASE, STAFF
from tests.e2e.replay import books, mailbox
from tests.e2e.replay.books import Books, Subscriptions
from tests.e2e.replay.client import Bank, Login, Refused, Shop, Staff
from tests.e2e.stack import ROOT, Shape, Stack, StackFailed, free_port, running
from tests.races.audit import breaches
from tests.races.crowd import Crowd, gathered
from tests.races.evidence import Evidence, Scene, gather, moving

API = "/api/v1"
WEB_WORKERS = {Shape.ONE: 4, Shape.SERVICES: 2}
"""Web processes: of the only service, or of each; a service with one would let nobody race in it."""
IN_A_PURCHASE = ("cart", "catalog", "order", "promotion")
"""The services that a purchase asks."""
STEADY_SECONDS = 6.0
"""Granian takes a process that dies within 5.5 seconds of its start for one that cannot run, and gives up."""
SETTLE_SECONDS = 240.0
POLL_SECONDS = 0.2
COLUMNS = ("handle", "name", "description", "brand", "category", "option1_name", "option1_value", "sku", "price",
           "weight_grams", "stock", "image_url", "image_alt")  # fmt: skip
ADDRESS = {
    "recipient": "Ana Souza", "cep": "01310100", "street": "Avenida Paulista", "number": "1000",
    "district": "Bela Vista", "city": "São Paulo", "state": "SP",
}  # fmt: skip
SHIPPING = "economico"
SLOW_CARD = {"method": "card", "card_token": "tok_slow_200ms"}
CARD = {"method": "card", "card_token": "tok_visa"}


class Broken(Exception):
    """A race came out as it must not, or a book does not add up."""


def require(holds: object, what: str) -> None:
    """Raise Broken unless ``holds``."""
    if not holds:
        raise Broken(what)


class Post:
    """The mail server, on a port of its own; it can be down for a while."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._open = ExitStack()
        self._server: mailbox.Mailbox | None = None
        self._earlier: Counter[str] = Counter()

    def start(self) -> None:
        self._server = self._open.enter_context(mailbox.running(self.port))

    def stop(self) -> None:
        self._earlier, self._server = self.received(), None
        self._open.close()

    def received(self) -> Counter[str]:
        """Return how often each ``Message-ID`` of the delivery log arrived, whatever happened in between."""
        return self._earlier + Counter(self._server.received().logged if self._server else [])


@dataclass(frozen=True)
class Cart:
    """A guest's cart that was priced: ``total`` is what the buyer saw."""

    id: str
    token: str
    version: int
    total: dict[str, str]
    email: str

    def checkout(self, key: str = "", **changes: Any) -> bytes:
        """Return the request that buys it, paid by card at once, but for ``changes``; under a new key unless given."""
        body = {
            "cart_id": self.id, "email": self.email, "address": ADDRESS, "shipping_method": SHIPPING,
            "payments": [CARD], "expected_total": self.total, **changes,
        }  # fmt: skip
        return self.post(f"{API}/checkout", body, Idempotency_Key=key or str(uuid4()))

    def add(self, variant: str, quantity: int = 1, **headers: str) -> bytes:
        """Return the request that puts more into it."""
        return self.post(f"{API}/carts/{self.id}/lines", {"variant_id": variant, "quantity": quantity}, **headers)

    def post(self, path: str, body: Any, **headers: str) -> bytes:
        return post(path, body, X_Cart_Token=self.token, **headers)


@dataclass
class Arena:
    """``post`` is None if the installation sends its mail elsewhere; its processes are ours if ``stack.pid`` is set."""

    stack: Stack
    shop: Shop
    login: Login
    bank: Bank
    books: Books
    crowd: Crowd
    post: Post | None
    subscriptions: Subscriptions
    owed: Counter[str] = field(default_factory=Counter)
    """How many events its handlers had not taken when it was entered, if it has a past."""
    scene: Scene = field(default_factory=lambda: Scene(datetime.now(UTC), []))

    def begin(self) -> None:
        """Forget what was raced for before: the next audit is about what comes now."""
        self.login = self.shop.log_in(STAFF, DEMO_PASSWORD)
        self.scene = Scene(datetime.now(UTC), [], [])

    def offer(self, *, pieces: int, price: str, variants: int = 1) -> list[str]:
        """Put new products on sale, each with so many pieces, and return the ids of their variants."""
        names = [f"corrida-{uuid4().hex[:12]}" for _ in range(variants)]
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name in names:
            writer.writerow([name, name.title(), "Disputado.", "Régua", "Corridas", "", "", name.upper(), price, 200,
                             pieces, "", ""])  # fmt: skip
        report = Staff(self.shop, self.login).import_products(file.getvalue())
        require(not report["rejected"], f"products rejected: {report['rejected']}")
        found = [str(self.shop.api("GET", f"products/{name}")["variants"][0]["id"]) for name in names]
        self.scene = replace(self.scene, variants=[*self.scene.variants, *found])
        return found

    def coupon(self, percent: str, **limits: int) -> str:
        """Make a coupon with ``usage_limit`` or ``per_customer_limit`` and return its code."""
        code = f"CORRIDA-{uuid4().hex[:12].upper()}"
        campaign = {"name": code, "active": True, "starts_at": "2026-01-01T00:00:00Z"}
        made = self._staff("POST", "campaigns", campaign)
        discount = {"label": code, "kind": "percentage", "percent": percent, "requires_coupon": True}
        with_discount = self._staff("POST", f"campaigns/{made['id']}/discounts", discount)
        self._staff("POST", "coupons", {"code": code, "discount_id": with_discount["discounts"][0]["id"], **limits})
        self.scene = replace(self.scene, coupons=[*self.scene.coupons, code])
        return code

    def fill(self, contents: Sequence[dict[str, int]], *, coupon: str = "", email: str = "") -> list[Cart]:
        """Fill a guest's cart with each of ``contents`` (pieces by variant) and price it; eight at a time.

        Raises:
            Broken: one could not be filled.
        """

        def filled(number: int) -> Flow:
            lines = [{"variant_id": variant, "quantity": count} for variant, count in contents[number].items()]
            cart = (yield post(f"{API}/carts", {"lines": lines})).json(expect=201)
            key = {"X_Cart_Token": cart["token"]}
            if coupon:
                path = f"{API}/carts/{cart['id']}/coupon"
                (yield post(path, {"code": coupon}, method="PUT", **key)).json(expect=200)
            wish = {"cart_id": cart["id"], "email": email, "state": ADDRESS["state"], "shipping_method": SHIPPING}
            priced = (yield post(f"{API}/checkout/preview", wish, **key)).json(expect=200)
            buyer = email or f"{uuid4().hex[:12]}@example.com"
            return Cart(cart["id"], cart["token"], priced["cart_version"], priced["total"], buyer)

        done = drive(self.stack.url, filled, count=len(contents))
        require(not done.failures, f"carts could not be filled: {done.failures[:1]}")
        return list(done.outcomes)

    def staff_post(self, path: str, body: Any, **headers: str) -> bytes:
        """Return a request of the staff's."""
        return post(f"{API}/{path}", body, Authorization=f"Bearer {self.login.access}", **headers)

    def evidence(self) -> Evidence:
        """Wait until nothing moves any more, and read all books.

        Raises:
            Broken: something still moves.
        """
        self.wait(lambda: not self.moving(), "everything came to rest", state=lambda: str(self.moving()))
        return gather(self.books, self.bank, self.scene, self.post.received() if self.post else None)

    def moving(self) -> dict[str, int]:
        """Return what is still under way, messages in the queues of any broker included."""
        untaken = (self.books.unhandled(self.subscriptions) - self.owed).total()
        return moving(self.books, self.scene) | ({"handlers": untaken} if untaken else {})

    def audit(self) -> Evidence:
        """Audit every book, and compare every cart with its events; return what was looked at.

        Raises:
            Broken: with the first few breaches.
        """
        evidence = self.evidence()
        found = breaches(evidence)
        try:
            self.stack.manage("rebuild_carts", "--verify")
        except StackFailed as error:
            found.append(str(error))
        require(not found, f"{len(found)} breaches, such as {'; '.join(found[:3])}")
        return evidence

    def wait(self, condition: Callable[[], object], what: str, *, within: float = SETTLE_SECONDS,
             every: float = POLL_SECONDS, state: Callable[[], str] = str) -> None:  # fmt: skip
        """Wait until ``condition`` holds.

        Raises:
            Broken: it does not in time; ``state`` says what there is instead.
        """
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise Broken(f"not within {within:.0f} s: {what} {state()}")
            time.sleep(every)

    def kill_a_web_process(self, random: Random) -> bool:
        """Kill one as a power failure would; whoever supervises it starts another. Tell whether one was old enough."""
        serving = self.stack.web_processes(older_than=STEADY_SECONDS, of=IN_A_PURCHASE)
        if serving:
            os.kill(random.choice(serving), signal.SIGKILL)
        return bool(serving)

    def _staff(self, method: str, path: str, body: Any) -> Any:
        return self.shop.api(method, path, login=self.login, json=body)


def body_of(answer: Answer) -> dict[str, Any]:
    """Return the document of an answer; of none, an empty one."""
    document: dict[str, Any] = orjson.loads(answer.body) if answer.body else {}
    return document


def outcome_of(answer: Answer) -> str:
    """Return the status and the code of a refusal: ``201``, ``409 out_of_stock``, ``no answer``."""
    if not answer.status:
        return "no answer"
    return f"{answer.status} {body_of(answer).get('code', '')}".strip() if answer.status >= 400 else str(answer.status)


def counted(answers: Sequence[Answer]) -> Counter[str]:
    return Counter(map(outcome_of, answers))


def told(outcomes: Counter[str]) -> str:
    """Return outcomes by number, for the table."""
    return ", ".join(f"{count} × {outcome}" for outcome, count in sorted(outcomes.items()))


@contextmanager
def opened(*, shape: Shape = Shape.ONE, broker_url: str = "pgmq://", web_workers: int | None = None) -> Iterator[Arena]:
    """Start an installation with a mail server of its own, and stop and remove it afterwards.

    Raises:
        StackFailed
    """
    post_office = Post()
    with ExitStack() as used:
        post_office.start()
        used.callback(post_office.stop)
        settings = {**OWN_DATABASE, "BROKER_URL": broker_url, "EMAIL_URL": post_office.url}
        workers = web_workers or WEB_WORKERS[shape]
        stack = used.enter_context(running(demo=True, web_workers=workers, shape=shape, **settings))
        yield used.enter_context(entered(stack, post_office))


@contextmanager
def visited(url: str) -> Iterator[Arena]:
    """Race in an installation that runs already. Its demo data, databases and bank are found as its own processes find
    them: through ``VAR_DIR``, ``…DATABASE_URL``, ``SANDBOX_PSP_URL`` and ``SANDBOX_PSP_API_KEY`` of the environment.

    Raises:
        StackFailed: nobody answers there, or it is another bank's.
    """
    var_dir = Path(os.environ.get("VAR_DIR", ROOT / "var"))
    psp_url = os.environ.get("SANDBOX_PSP_URL", "http://127.0.0.1:9100")
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings.development", **os.environ}
    key = os.environ.get("SANDBOX_PSP_API_KEY", "sk_sandbox")
    with ExitStack() as used:
        try:
            stack = Stack(url, psp_url, key, var_dir, var_dir / "run.log", environment)
            arena = used.enter_context(entered(stack, None))
            arena.bank.books()
        except (Refused, httpx.TransportError, psycopg.OperationalError) as error:
            raise StackFailed(f"{url} or its bank or databases cannot be used: {error}") from error
        yield arena


@contextmanager
def entered(stack: Stack, post_office: Post | None) -> Iterator[Arena]:
    """Gather a crowd before an installation with demo data, and open its books."""
    with ExitStack() as used:
        crowd = used.enter_context(gathered(stack.url))
        ledgers = used.enter_context(books.opened(stack.environment, stack.var_dir))
        shop, bank = Shop(stack.url, connections=4), Bank(stack.psp_url, stack.psp_api_key)
        used.callback(shop.close)
        used.callback(bank.close)
        login, subscriptions = shop.log_in(STAFF, DEMO_PASSWORD), stack.subscriptions()
        owed = Counter[str]() if stack.pid else ledgers.unhandled(subscriptions)
        yield Arena(stack, shop, login, bank, ledgers, crowd, post_office, subscriptions, owed)
