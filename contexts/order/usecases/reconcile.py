"""Reconciliation: a gateway's books against our ledger, in both directions. What differs twice becomes a case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connections

from contexts.order import adapters
from contexts.order.adapters import BookedCharge, GatewayRefused, PaymentGateway
from contexts.order.models import CaseKind, Finding, PaymentAttempt, StaffCase
from contexts.order.usecases.pay import catch_up
from ecommerce.errors import DomainError
from ecommerce.money import Money
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

PAGE = 500
SETTLES_WITHIN = timedelta(minutes=10)
"""Money that moved so lately may still be on its way into one of the books."""
SEEN_APART = timedelta(minutes=30)
"""A difference that is the same so much later is no money in flight."""

LEDGER = """
    SELECT b.gateway_id, a.id, a.gateway, a.gateway_id, a.currency,
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'capture'), 0),
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0)
    FROM unnest(%(charges)s::text[], %(attempts)s::uuid[]) AS b (gateway_id, attempt_id)
    JOIN payment_attempts AS a ON a.id = coalesce(b.attempt_id, (
        SELECT known.id FROM payment_attempts AS known
        WHERE known.gateway = %(gateway)s AND known.gateway_id = b.gateway_id LIMIT 1
    ))
    LEFT JOIN payment_ledger AS l ON l.attempt_id = a.id
    GROUP BY b.gateway_id, a.id
"""
BOOKED = """
    SELECT DISTINCT a.id, a.gateway_id, a.created_at
    FROM payment_ledger AS l JOIN payment_attempts AS a ON a.id = l.attempt_id
    WHERE l.kind = 'capture' AND l.at >= %(since)s AND l.at < %(until)s AND a.gateway = %(gateway)s AND a.id > %(last)s
    ORDER BY a.id LIMIT %(limit)s
"""
IN_USE = """
    SELECT DISTINCT a.gateway FROM payment_ledger AS l JOIN payment_attempts AS a ON a.id = l.attempt_id
    WHERE l.at >= %(since)s
"""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Entry(NamedTuple):
    """What our ledger says about a charge."""

    attempt_id: UUID
    captured: Money
    refunded: Money


@dataclass(kw_only=True)
class Report:
    """What a comparison saw. Without ``complete`` the gateway fell silent, and the rest is not known."""

    gateway: str
    since: datetime
    until: datetime
    charges: int = 0
    """Charges in the gateway's books."""
    entries: int = 0
    """Charges in our ledger."""
    healed: int = 0
    """Differences that were only news we had missed; the ledger has it now."""
    settled: int = 0
    """Differences that a person has settled before, just as they are."""
    findings: list[Finding] = field(default_factory=list)
    """Every other difference."""
    open: int = 0
    """How many of ``findings`` are cases: seen before, and the same."""
    opened: int = 0
    complete: bool = True


def gateways_in_use(*, since: datetime) -> list[str]:
    """Return the gateways that take payments, or took some lately, by name."""
    with connections["order"].cursor() as cursor:
        cursor.execute(IN_USE, {"since": since})
        return sorted({*settings.PAYMENT_GATEWAYS.values(), *(name for (name,) in cursor.fetchall())})


def reconcile(*, gateway: str, since: datetime, until: datetime, now: datetime) -> Report:
    """Compare the charges of a time and return what differs. Safe to repeat, and beside purchases.

    The gateway is asked about every payment of ours that differs first: news that we missed is no difference. What is
    left is a suspicion, and a case when it is the same ``SEEN_APART`` later. Nothing here moves money.

    Raises:
        UnknownGateway
    """
    until = min(until, now - SETTLES_WITHIN)
    report = Report(gateway=gateway, since=since, until=until)
    asked, seen = adapters.gateway(gateway), set[str]()
    try:
        for page in _pages(_once(asked.books(since, until), seen)):
            report.charges += len(page)
            _sight(report, _differences(report, page, now), now=now)
        for findings in _missing(report, asked, seen, now):
            _sight(report, findings, now=now)
    except adapters.OutcomeUnknown as silence:
        log.warning("reconciliation_incomplete", gateway=gateway, error=str(silence))
        report.complete = False
    else:
        with unit_of_work("order"):
            StaffCase.forget_suspicions(gateway=gateway, since=since, until=until, now=now)
    return report


def differences(*, charge: BookedCharge, entry: Entry | None, gateway: str) -> Iterator[Finding]:
    """Yield how a charge in the gateway's books differs from our ledger. Without an entry we do not know it; what was
    given back in full, or never taken, is then nobody's."""
    ours = {"captured": str(entry.captured), "refunded": str(entry.refunded)} if entry else {}
    theirs = {"captured": str(charge.captured), "refunded": str(charge.refunded), "status": charge.status}
    if entry is None:
        theirs["attempt"] = str(charge.attempt_id or "")

    def finding(kind: CaseKind, amount: Money) -> Finding:
        return Finding(
            kind=kind,
            gateway=gateway,
            reference=charge.gateway_id,
            attempt_id=entry.attempt_id if entry else None,
            facts={"gateway": theirs, "shop": ours},
            amount=amount,
            charged_at=charge.created_at,
        )

    if entry is None:
        if kept := charge.captured - charge.refunded:
            yield finding(CaseKind.CHARGE_UNKNOWN_TO_US, kept)
    elif entry.captured.currency != charge.captured.currency:
        yield finding(CaseKind.AMOUNT_DIFFERS, charge.captured)
    else:
        if more := charge.captured - entry.captured:
            yield finding(CaseKind.AMOUNT_DIFFERS, more)
        if more := charge.refunded - entry.refunded:
            yield finding(CaseKind.REFUND_DIFFERS, more)


def _differences(report: Report, page: Sequence[BookedCharge], now: datetime) -> list[Finding]:
    """Compare a page; where we know less than the gateway, ask it, and look at our books again."""
    found = _compared(report.gateway, page)
    missed = {each.attempt_id for each in found if each.attempt_id}
    if not missed:
        return found
    for attempt in PaymentAttempt.objects.using("order").filter(id__in=missed):
        _catch_up(attempt, now)
    left = _compared(report.gateway, page)
    report.healed += len(found) - len(left)
    return left


def _compared(gateway: str, page: Sequence[BookedCharge]) -> list[Finding]:
    entries = _ledger(gateway, page)
    return [
        finding
        for charge in page
        for finding in differences(charge=charge, entry=entries.get(charge.gateway_id), gateway=gateway)
    ]


def _ledger(gateway: str, page: Sequence[BookedCharge]) -> dict[str, Entry]:
    """Return what our ledger says, by the charge's id. One statement.

    A second charge for an attempt that has another one is not ours: nobody would ever give it back.
    """
    charges = [charge.gateway_id for charge in page]
    attempts = [charge.attempt_id for charge in page]
    with connections["order"].cursor() as cursor:
        cursor.execute(LEDGER, {"gateway": gateway, "charges": charges, "attempts": attempts})
        rows = cursor.fetchall()
    return {
        charge_id: Entry(attempt_id, Money(captured, currency), Money(refunded, currency))
        for charge_id, attempt_id, its_gateway, its_charge, currency, captured, refunded in rows
        if its_gateway == gateway and its_charge in ("", charge_id)
    }


def _missing(report: Report, gateway: PaymentGateway, seen: set[str], now: datetime) -> Iterator[list[Finding]]:
    """Yield findings about what our ledger booked in that time and the gateway's books did not have, page by page.

    It may only be older than the books that were read: so the gateway is asked for each.
    """
    last = UUID(int=0)
    window: dict[str, Any] = {"gateway": report.gateway, "since": report.since, "until": report.until, "limit": PAGE}
    while True:
        with connections["order"].cursor() as cursor:
            cursor.execute(BOOKED, {**window, "last": last})
            rows = cursor.fetchall()
        report.entries += len(rows)
        found: list[Finding] = []
        for attempt_id, charge_id, created_at in rows:
            if charge_id not in seen:
                found += _alone(report, gateway, attempt_id, charge_id, created_at, now)
        yield found
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


def _alone(
    report: Report, gateway: PaymentGateway, attempt_id: UUID, charge_id: str, created_at: datetime, now: datetime
) -> list[Finding]:
    """Compare one charge of ours that the books did not have."""
    nothing = Money(Decimal(0))
    charge = BookedCharge(
        gateway_id=charge_id, attempt_id=attempt_id, status="captured", captured=nothing, refunded=nothing,
        created_at=created_at,
    )  # fmt: skip
    try:
        told = gateway.fetch(charge_id)
    except GatewayRefused as refused:
        entry = _ledger(report.gateway, [charge])[charge_id]
        facts = {
            "gateway": {"error": str(refused.params.get("gateway_code", ""))},
            "shop": {"captured": str(entry.captured), "refunded": str(entry.refunded), "attempt": str(attempt_id)},
        }
        return [
            Finding(
                kind=CaseKind.CHARGE_UNKNOWN_TO_GATEWAY, gateway=report.gateway, reference=charge_id,
                attempt_id=attempt_id, facts=facts, amount=entry.refunded - entry.captured, charged_at=created_at,
            )
        ]  # fmt: skip
    charge = replace(charge, status=told.status, captured=told.captured, refunded=told.refunded)
    return _differences(report, [charge], now)


def _catch_up(attempt: PaymentAttempt, now: datetime) -> None:
    """Learn what the gateway knows of an attempt, if it answers."""
    try:
        catch_up(attempt=attempt, now=now)
    except (OutcomeUnknown, DomainError) as problem:
        log.warning("reconciliation_not_asked", attempt=str(attempt.id), error=str(problem))


def _sight(report: Report, findings: Sequence[Finding], *, now: datetime) -> None:
    with unit_of_work("order"):
        sightings = StaffCase.sight(findings, apart=SEEN_APART, now=now)
    report.findings += [sighting.finding for sighting in sightings]
    report.settled += len(findings) - len(sightings)
    report.open += sum(sighting.is_open for sighting in sightings)
    report.opened += sum(sighting.is_new for sighting in sightings)


def _once(charges: Iterable[BookedCharge], seen: set[str]) -> Iterator[BookedCharge]:
    """Yield each charge the first time, and note it."""
    for charge in charges:
        if charge.gateway_id not in seen:
            seen.add(charge.gateway_id)
            yield charge


def _pages(charges: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(charges)
    while page := list(islice(iterator, PAGE)):
        yield page
