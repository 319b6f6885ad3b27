"""The audit: what the files want against what every ledger says. Each check has an expected and a found number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from ecommerce.money import total
from tests.e2e.replay import books as queries
from tests.e2e.replay import plan
from tests.e2e.replay.books import CONTEXTS, Books, Subscriptions
from tests.e2e.replay.files import Order
from tests.e2e.replay.mailbox import Received
from tests.e2e.replay.run import Outcome

Number = int | Decimal
DUPLICATES = re.compile(r'^inbox_messages_handled_total\{[^}]*outcome="duplicate"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)
REQUESTS = re.compile(
    r'^http_request_duration_seconds_(count|sum)\{method="(\w+)",route="([^"]+)",status="\d+"\} ([0-9.e+-]+)$',
    re.MULTILINE,
)
ENDED = ("COMPLETED", "COMPENSATED")


@dataclass(frozen=True)
class Check:
    """Two numbers that must be the same."""

    name: str
    expected: Number
    found: Number

    @property
    def difference(self) -> Number:
        return self.expected - self.found


@dataclass(frozen=True)
class Audit:
    """``facts`` is ready for JSON."""

    checks: list[Check]
    facts: dict[str, Any]

    @property
    def passed(self) -> bool:
        return not any(check.difference for check in self.checks)


@dataclass(frozen=True)
class Evidence:
    """Everything the audit looks at."""

    orders: Sequence[Order]
    outcome: Outcome
    books: Books
    subscriptions: Subscriptions
    bank: Mapping[str, Any]
    """The sandbox's own books."""
    received: Received
    metrics: str
    carts_differ: int

    @property
    def purchasable(self) -> list[Order]:
        return [order for order in self.orders if order.purchasable]

    @property
    def bought(self) -> list[Order]:
        return [order for order in self.orders if order.id in self.outcome.bought]


def audit(evidence: Evidence) -> Audit:
    """Compare the files, the shop's databases, the sandbox's books and the mail server."""
    parts = (_orders, _money, _stock, _events, _mail, _requests)
    audited = [part(evidence) for part in parts]
    checks = [check for part in audited for check in part.checks]
    facts = {name: fact for part in audited for name, fact in part.facts.items()}
    return Audit(checks, facts)


def _orders(evidence: Evidence) -> Audit:
    outcome, books = evidence.outcome, evidence.books
    stored = {str(id_): status for id_, status, _, _ in books.rows("order", queries.ORDERS)}
    wanted = {outcome.bought[order.id]: order.final_status for order in evidence.bought}
    lines = {outcome.bought[order.id]: order for order in evidence.bought}
    reviews = plan.expected_reviews(evidence.bought)
    checks = [
        Check("orders purchasable, bought", len(evidence.purchasable), len(outcome.bought)),
        Check("orders bought, in the database", len(outcome.bought), len(stored)),
        Check("order lines that differ", 0, lines_differing(lines, books.rows("order", queries.LINES))),
        Check("statuses that differ", 0, sum(stored.get(id_) != status for id_, status in wanted.items())),
        Check("accounts", len(plan.places_of(evidence.orders)), books.number("identity", queries.CUSTOMERS)),
        Check("carts converted", len(outcome.bought), books.number("cart", queries.CARTS)),
        Check("carts that differ from their events", 0, evidence.carts_differ),
        Check("reviews", reviews, books.number("catalog", queries.REVIEWS)),
        Check("refusals", 0, len(outcome.refusals)),
    ]
    facts = {
        "orders_in_files": len(evidence.orders),
        "orders_without_items": len(evidence.orders) - len(evidence.purchasable),
        "orders_bought": len(outcome.bought),
        "refused": [asdict(refusal) for refusal in outcome.refusals],
        "statuses": dict(sorted(Counter(stored.values()).items())),
        "reviews": dict(sorted(outcome.reviews.items())),
    }
    return Audit(checks, facts)


def lines_differing(wanted: Mapping[str, Order], rows: queries.Rows) -> int:
    """Count the lines of the files that are not stored with the same pieces and price, and the stored ones too many."""
    expected = Counter(
        (id_, line.product_id, line.quantity, line.price.amount)
        for id_, order in wanted.items()
        for line in order.lines
    )
    stored = Counter((str(order), sku, quantity, price) for order, sku, quantity, price in rows if str(order) in wanted)
    return ((expected - stored) + (stored - expected)).total()


def _money(evidence: Evidence) -> Audit:
    captured, refunded = evidence.books.ledger("capture"), evidence.books.ledger("refund")
    wanted = {method: money.amount for method, money in plan.value_by_type(_payable(evidence)).items()}
    cancelled = [order for order in evidence.bought if order.final_status == "cancelled"]
    back = {method: money.amount for method, money in plan.value_by_type(cancelled).items()}
    methods = evidence.bank["methods"]
    nothing = Decimal("0.00")
    by_method = {
        method: {
            "files": wanted.get(method, nothing),
            "captured": captured.get(method, nothing),
            "captured_by_bank": Decimal(methods.get(method, {}).get("captured", nothing)),
            "cancelled": back.get(method, nothing),
            "refunded": refunded.get(method, nothing),
            "refunded_by_bank": Decimal(methods.get(method, {}).get("refunded", nothing)),
        }
        for method in sorted({*wanted, *captured, *refunded, *methods})
    }
    checks = []
    for method, sums in by_method.items():
        checks.append(Check(f"value {method}: files, captured", sums["files"], sums["captured"]))
        checks.append(Check(f"value {method}: bank, captured", sums["captured_by_bank"], sums["captured"]))
        checks.append(Check(f"refunds {method}: cancelled orders, refunded", sums["cancelled"], sums["refunded"]))
        checks.append(Check(f"refunds {method}: bank, refunded", sums["refunded_by_bank"], sums["refunded"]))
    orders, pieces, revenue, cancellations = evidence.books.rows("order", queries.SALES)[0]
    value = total(order.value for order in evidence.purchasable).amount
    checks += [
        Check("value of all orders: files, captured", value, sum(captured.values(), nothing)),
        Check("sales report: orders", len(evidence.outcome.bought), orders),
        Check("sales report: pieces", plan.pieces_of(evidence.bought).total(), pieces),
        Check("sales report: revenue", sum(captured.values(), nothing), revenue),
        Check("sales report: cancellations", len(cancelled), cancellations),
    ]
    money = {method: {name: str(amount) for name, amount in sums.items()} for method, sums in by_method.items()}
    return Audit(checks, {"money": money})


def _payable(evidence: Evidence) -> list[Order]:
    """The purchasable orders whose payments the shop knows; the others are refused and missing in the total."""
    unpayable = {refusal.id for refusal in evidence.outcome.refusals if refusal.code == plan.NotPayable.__name__}
    return [order for order in evidence.purchasable if order.id not in unpayable]


def _stock(evidence: Evidence) -> Audit:
    received, on_hand, sold, reserved, unbalanced, misreserved = evidence.books.rows("catalog", queries.STOCK)[0]
    kept = [order for order in evidence.bought if order.final_status != "cancelled"]
    imported = plan.pieces_of(evidence.orders).total() + plan.SPARE_PIECES * len(evidence.outcome.products)
    checks = [
        Check("stock: imported, received", imported, received),
        Check("stock: on hand + sold, received", received, on_hand + sold),
        Check("stock: pieces of orders, sold", plan.pieces_of(kept).total(), sold),
        Check("stock: variants out of balance", 0, unbalanced),
        Check("stock: variants reserved for nobody", 0, misreserved),
        Check("stock: reserved", 0, reserved),
    ]
    names = ("received", "on_hand", "sold", "reserved")
    return Audit(checks, {"stock": dict(zip(names, (received, on_hand, sold, reserved), strict=True))})


def _events(evidence: Evidence) -> Audit:
    books = evidence.books
    published, handled = books.published(), books.handled()
    sagas = [row for context in CONTEXTS for row in books.rows(context, queries.SAGAS)]
    failed = [row for context in CONTEXTS for row in books.rows(context, queries.FAILED_STEPS)]
    duplicates = sum(int(float(number)) for number in DUPLICATES.findall(evidence.metrics))
    moving = books.unsettled(evidence.subscriptions)
    checks = [
        Check("events not handled, or too often", 0, sum(map(abs, books.unhandled(evidence.subscriptions).values()))),
        Check("events parked", 0, sum(books.number(context, queries.PARKED) for context in CONTEXTS)),
        Check("events in outboxes and queues", 0, moving.get("outbox", 0) + moving.get("queues", 0)),
        Check("webhooks not processed", 0, moving.get("webhooks", 0)),
        Check("sagas stuck", 0, sum(count for _, status, count in sagas if status not in ENDED)),
    ]
    facts = {
        "published": published,
        "handled": handled,
        "duplicates": duplicates,
        "sagas": {f"{name} {status}": count for name, status, count in sagas},
        "saga_steps_failed": {" ".join(names): count for *names, count in failed},
    }
    return Audit(checks, facts)


def _mail(evidence: Evidence) -> Audit:
    books, received = evidence.books, evidence.received
    sent = Counter(provider for (provider,) in books.rows("notification", queries.SENT))
    arrived = Counter(received.logged)
    statuses: dict[str, int] = dict(books.rows("notification", queries.MESSAGES))
    unsent = sum(count for status, count in statuses.items() if status not in ("sent", "suppressed"))
    checks = [
        Check("mails logged as sent, received", sent.total(), arrived.total()),
        Check("mails that differ one by one", 0, ((sent - arrived) + (arrived - sent)).total()),
        Check("mails failed or still queued", 0, unsent),
        Check("mails about accounts", len(evidence.outcome.customers), received.others),
    ]
    return Audit(checks, {"mails": {**statuses, "received": arrived.total(), "about_accounts": received.others}})


def _requests(evidence: Evidence) -> Audit:
    """Nothing to check: how often each endpoint was asked, and the seconds it took in all, the longest first."""
    counts: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for what, method, route, number in REQUESTS.findall(evidence.metrics):
        name = f"{method} {route}"
        if what == "count":
            counts[name] += int(float(number))
        else:
            seconds[name] = seconds.get(name, 0) + float(number)
    longest = sorted(seconds, key=lambda name: -seconds[name])
    return Audit([], {"requests": {name: [counts[name], round(seconds[name], 1)] for name in longest}})
