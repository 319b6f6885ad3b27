"""A gateway's books against ours: what agrees, what is only news, what becomes a case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connections

from contexts.order import adapters
from contexts.order.adapters import BookedCharge, ChargeResult, GatewayRefused, OutcomeUnknown
from contexts.order.models import CaseKind, CaseNotOpen, LedgerEntry, PaymentAttempt, StaffCase, WebhookEvent
from contexts.order.usecases.cases import (
    CaseNoteRequired,
    CaseNotFound,
    open_cases_of_webhooks,
    resolve_case,
    show_open_cases,
)
from contexts.order.usecases.receive_webhook import MAX_ATTEMPTS
from contexts.order.usecases.reconcile import PAGE, Report, gateways_in_use, reconcile
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.observability import metrics
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.order.conftest import EVERYWHERE, brl, card
from tests.contexts.order.factories import PaymentAttemptFactory
from tests.sandbox_psp.testing import charge, refund

pytestmark = pytest.mark.django_db(databases=["order"])

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Books:
    """A gateway that says of charges what a test writes into its books."""

    def __init__(self) -> None:
        self.charges: dict[str, BookedCharge] = {}
        self.elsewhere: dict[str, BookedCharge] = {}
        """Charges that it knows, but not of the time asked for."""
        self.silent_after: int | None = None
        self.asked = 0

    def write(
        self, attempt: PaymentAttempt | None, captured: str, refunded: str = "0.00", **changes: Any
    ) -> BookedCharge:
        gateway_id = attempt.gateway_id if attempt else "ch_of_others"
        charge = BookedCharge(**{
            "gateway_id": gateway_id, "attempt_id": attempt.id if attempt else None, "status": "captured",
            "captured": brl(captured), "refunded": brl(refunded), "created_at": NOON, **changes,
        })  # fmt: skip
        self.charges[charge.gateway_id] = charge
        return charge

    def books(self, since: datetime, until: datetime) -> Iterator[BookedCharge]:
        self.asked += 1
        for number, booked in enumerate(self.charges.values()):
            if number == self.silent_after:
                raise OutcomeUnknown("silence")
            yield booked

    def fetch(self, gateway_id: str) -> ChargeResult:
        found = self.charges.get(gateway_id) or self.elsewhere.get(gateway_id)
        if found is None:
            raise GatewayRefused("there is no such charge", gateway_code="charge_not_found")
        return ChargeResult(
            gateway_id=gateway_id, status=found.status, authorized=brl("0"), captured=found.captured,
            refunded=found.refunded,
        )  # fmt: skip

    def find(self, attempt_id: Any) -> ChargeResult | None:
        found = next((each for each in self.charges.values() if each.attempt_id == attempt_id), None)
        return self.fetch(found.gateway_id) if found else None


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    books = Books()
    monkeypatch.setattr(adapters, "GATEWAYS", {"sandbox": lambda: books})
    return books


def paid(amount: str = "60.00", *, refunded: str = "0.00", at: datetime = NOON, **changes: Any) -> PaymentAttempt:
    """A payment that our ledger has."""
    attempt = PaymentAttemptFactory(
        status="captured", gateway_id=f"ch_{new_id()}", amount=Decimal("60.00"), created_at=at, **changes
    )
    for kind, money in (("capture", amount), ("refund", refunded)):
        if Decimal(money):
            LedgerEntry.objects.create(attempt=attempt, kind=kind, amount=Decimal(money), reference="x", at=at)
    return attempt


def compared(at: datetime = NOON + HOUR, **changes: Any) -> Report:
    return reconcile(**{"gateway": "sandbox", "since": NOON - HOUR, "until": at, "now": at, **changes})


def found(report: Report) -> list[tuple[str, str, Decimal]]:
    return [(each.kind.value, each.reference, each.amount.amount) for each in report.findings]


def cases() -> list[tuple[str, str]]:
    return list(StaffCase.objects.order_by("kind").values_list("kind", "status"))


def seen_twice(books: Books) -> StaffCase:
    """Compare twice, an hour apart, and return the case that came of it."""
    compared(NOON + HOUR)
    compared(NOON + 2 * HOUR)
    return StaffCase.objects.get()


# --- what agrees -----------------------------------------------------------------------------------------------------
def test_books_that_agree_have_no_differences(books):
    books.write(paid(), "60.00")
    books.write(paid(refunded="10.00"), "60.00", "10.00")

    report = compared()

    assert (report.charges, report.entries, report.findings, report.complete) == (2, 2, [], True)
    assert cases() == []


def test_a_charge_that_the_books_have_twice_counts_once(books):
    booked = books.write(None, "60.00")
    books.charges["again"] = booked

    report = compared()

    assert (report.charges, len(report.findings), report.settled) == (1, 1, 0)


def test_what_was_never_taken_is_nobodys(books):
    books.write(None, "0.00", status="declined", gateway_id="ch_1")
    books.write(None, "60.00", "60.00", status="refunded", gateway_id="ch_2")

    assert compared().findings == []


# --- what differs ----------------------------------------------------------------------------------------------------
def test_a_charge_that_we_do_not_know(books):
    books.write(None, "60.00", "10.00")

    assert found(compared()) == [("charge_unknown_to_us", "ch_of_others", Decimal("50.00"))]


def test_a_second_charge_of_an_attempt_is_not_known_to_us(books):
    attempt = paid()
    books.write(attempt, "60.00")
    books.write(attempt, "60.00", gateway_id="ch_second")

    assert found(compared()) == [("charge_unknown_to_us", "ch_second", Decimal("60.00"))]


def test_a_charge_of_another_gateways_attempt_is_not_known_to_us(books):
    books.write(paid(gateway="stripe"), "60.00")

    assert [kind for kind, _, _ in found(compared())] == ["charge_unknown_to_us"]


def test_a_charge_that_the_gateway_does_not_know(books):
    attempt = paid(refunded="10.00")

    assert found(compared()) == [("charge_unknown_to_gateway", attempt.gateway_id, Decimal("-50.00"))]


def test_a_charge_that_is_older_than_the_books_is_asked_for(books):
    known, differs = paid(), paid()
    for attempt, refunded in ((known, "0.00"), (differs, "0.00")):
        booked = books.write(attempt, "60.00" if attempt is known else "50.00", refunded)
        books.elsewhere[booked.gateway_id] = books.charges.pop(booked.gateway_id)

    assert found(compared()) == [("amount_differs", differs.gateway_id, Decimal("-10.00"))]


@pytest.mark.parametrize(
    ("captured", "refunded", "difference"),
    [("50.00", "0.00", ("amount_differs", "-10.00")), ("60.00", "5.00", ("refund_differs", "-5.00"))],
)
def test_amounts_that_differ_though_the_gateway_was_asked(books, captured, refunded, difference):
    attempt = paid(refunded="10.00" if difference[0] == "refund_differs" else "0.00")
    books.write(attempt, captured, refunded)

    assert found(compared()) == [(difference[0], attempt.gateway_id, Decimal(difference[1]))]


def test_another_currency_is_another_amount(books):
    books.write(paid(currency="USD"), "60.00")

    assert [kind for kind, _, _ in found(compared())] == ["amount_differs"]


def test_news_that_we_missed_are_learnt_and_no_difference(books):
    """A lost webhook, and a lost answer: the ledger has the money afterwards."""
    refunded, unheard = paid(), PaymentAttemptFactory(status="unknown", created_at=NOON)
    books.write(refunded, "60.00", "25.00")
    books.write(unheard, "60.00", gateway_id="ch_unheard")

    report = compared()

    assert (report.findings, report.healed) == ([], 2)
    assert LedgerEntry.objects.get(attempt=refunded, kind="refund").amount == Decimal("25.00")
    assert LedgerEntry.objects.get(attempt=unheard).amount == Decimal("60.00")


# --- from suspicion to case ------------------------------------------------------------------------------------------
def test_a_difference_is_a_case_when_it_is_seen_again(books):
    attempt = paid()
    books.write(attempt, "50.00")

    assert (compared(NOON + HOUR).open, cases()) == (0, [("amount_differs", "suspected")])
    assert compared(NOON + HOUR + timedelta(minutes=29)).open == 0
    second, third = compared(NOON + 2 * HOUR), compared(NOON + 3 * HOUR)

    assert (second.open, second.opened, third.open, third.opened) == (1, 1, 1, 0)
    case = StaffCase.objects.get()
    assert (case.status, case.opened_at, case.attempt, case.amount) == (
        "open", NOON + 2 * HOUR, attempt, Decimal("-10.00"),
    )  # fmt: skip
    assert case.facts["gateway"]["captured"] == "50.00 BRL"
    assert case.facts["shop"]["captured"] == "60.00 BRL"


def test_money_in_flight_is_forgotten(books):
    attempt = paid()
    books.write(attempt, "50.00")
    compared(NOON + HOUR)

    books.write(attempt, "60.00")
    compared(NOON + 2 * HOUR)

    assert cases() == []


def test_a_difference_that_changes_is_watched_anew(books):
    attempt = paid()
    for hours, captured in ((1, "50.00"), (2, "40.00")):
        books.write(attempt, captured)
        compared(NOON + hours * HOUR)
    assert cases() == [("amount_differs", "suspected")]

    compared(NOON + 3 * HOUR)

    assert cases() == [("amount_differs", "open")]


def test_a_suspicion_about_another_time_is_kept(books):
    books.write(None, "60.00")
    compared()

    books.charges.clear()
    compared(NOON + 20 * HOUR, since=NOON + 10 * HOUR)

    assert cases() == [("charge_unknown_to_us", "suspected")]


def test_money_that_moved_just_now_is_not_compared(books):
    paid(at=NOON + HOUR - timedelta(minutes=9))

    report = compared(NOON + HOUR)

    assert (report.until, report.findings) == (NOON + timedelta(minutes=50), [])


def test_a_silent_gateway_leaves_the_rest_unknown_and_forgets_nothing(books):
    books.write(None, "60.00")
    compared()
    books.charges.clear()
    books.write(paid(), "60.00")
    books.silent_after = 0

    report = compared(NOON + 2 * HOUR)

    assert (report.complete, report.findings) == (False, [])
    assert cases() == [("charge_unknown_to_us", "suspected")]


def test_the_statements_do_not_depend_on_the_number_of_charges(books, statements):
    counts = []
    for number in (1, 20):
        for _ in range(number):
            books.write(paid(), "60.00")
            books.write(None, "60.00", gateway_id=f"ch_{new_id()}")
        with statements("order") as executed:
            report = compared()
        counts.append(len(executed))
    assert report.charges == 42
    assert counts[0] == counts[1] <= 8, "\n".join(executed)


def test_books_of_several_pages_are_compared_to_the_end(books, monkeypatch):
    monkeypatch.setattr("contexts.order.usecases.reconcile.PAGE", 2)
    assert PAGE > 2
    attempts = [paid() for _ in range(5)]
    for attempt in attempts[:3]:
        books.write(attempt, "60.00")

    report = compared()

    assert (report.charges, report.entries) == (3, 5)
    assert {each.attempt_id for each in report.findings} == {attempt.id for attempt in attempts[3:]}


def test_gateways_in_use_are_those_of_the_settings_and_of_late_payments(settings):
    settings.PAYMENT_GATEWAYS = {"card": "stripe"}
    paid(gateway="sandbox")

    assert gateways_in_use(since=NOON - HOUR) == ["sandbox", "stripe"]
    assert gateways_in_use(since=NOON + HOUR) == ["stripe"]


# --- settling --------------------------------------------------------------------------------------------------------
def test_a_person_settles_a_case_with_a_note(books):
    books.write(None, "60.00")
    case = seen_twice(books)

    resolve_case(case_id=case.id, note=" devolvido no painel ", actor="user:1", now=NOON + 3 * HOUR)

    case.refresh_from_db()
    assert (case.status, case.note, case.resolved_by) == ("resolved", "devolvido no painel", "user:1")
    assert case.resolved_at == NOON + 3 * HOUR
    with pytest.raises(CaseNotOpen):
        resolve_case(case_id=case.id, note="de novo", actor="user:2", now=NOON)


def test_a_settled_difference_does_not_come_back_unless_it_changes(books):
    books.write(None, "60.00")
    resolve_case(case_id=seen_twice(books).id, note="é da outra loja", actor="user:1", now=NOON)

    again = compared(NOON + 4 * HOUR)
    assert cases() == [("charge_unknown_to_us", "resolved")]
    assert (again.findings, again.settled) == ([], 1)

    books.write(None, "60.00", "5.00")
    for hours in (5, 6):
        compared(NOON + hours * HOUR)
    assert sorted(status for _, status in cases()) == ["open", "resolved"]


def test_a_suspicion_cannot_be_settled(books):
    books.write(None, "60.00")
    compared()

    with pytest.raises(CaseNotOpen):
        resolve_case(case_id=StaffCase.objects.get().id, note="x", actor="user:1", now=NOON)


def test_settling_needs_a_note_and_a_case(books):
    with pytest.raises(CaseNoteRequired):
        resolve_case(case_id=new_id(), note="  ", actor="user:1", now=NOON)
    with pytest.raises(CaseNotFound):
        resolve_case(case_id=new_id(), note="x", actor="user:1", now=NOON)


@pytest.mark.parametrize("change", ["UPDATE staff_cases SET note = 'outra'", "DELETE FROM staff_cases"])
def test_the_database_keeps_what_was_settled(books, change):
    books.write(None, "60.00")
    resolve_case(case_id=seen_twice(books).id, note="x", actor="user:1", now=NOON)

    with pytest.raises(IntegrityError, match="history"), unit_of_work("order"), connections["order"].cursor() as cursor:
        cursor.execute(change)


def test_the_metrics_count_open_cases(books):
    books.write(None, "60.00")
    case = seen_twice(books)
    gauge = metrics.STAFF_CASES.labels("order", "charge_unknown_to_us")

    assert show_open_cases() == {kind: int(kind == "charge_unknown_to_us") for kind in CaseKind.values}
    assert gauge._value.get() == 1
    resolve_case(case_id=case.id, note="x", actor="user:1", now=NOON)
    assert gauge._value.get() == 0


# --- webhooks --------------------------------------------------------------------------------------------------------
def webhook(attempts: int, **changes: Any) -> WebhookEvent:
    facts = {"event_id": f"evt_{new_id()}", "event_type": "charge.captured", "gateway_id": "ch_1", "body": "{}"}
    usual = {"gateway": "sandbox", "received_at": NOON, "due_at": NOON, "error": "LookupError: no payment attempt"}
    return WebhookEvent.objects.create(**{**facts, **usual, "attempts": attempts, **changes})


def test_a_webhook_after_its_last_attempt_is_a_case_once(books):
    given_up = webhook(MAX_ATTEMPTS)
    webhook(MAX_ATTEMPTS - 1)
    webhook(MAX_ATTEMPTS, processed_at=NOON)
    webhook(MAX_ATTEMPTS, due_at=NOON + 2 * HOUR)

    assert (open_cases_of_webhooks(now=NOON + HOUR), open_cases_of_webhooks(now=NOON + HOUR)) == (1, 0)

    case = StaffCase.objects.get()
    assert (case.kind, case.status, case.reference) == ("webhook_given_up", "open", given_up.event_id)
    assert "no payment attempt" in case.facts["shop"]["error"]
    resolve_case(case_id=case.id, note="x", actor="user:1", now=NOON)
    assert open_cases_of_webhooks(now=NOON + HOUR) == 0


# --- the command, and the real server --------------------------------------------------------------------------------
def command(*arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()


def test_the_command_says_what_differs_and_ends_with_it(books):
    now = clock.now()
    assert command()[0] == 0

    books.write(None, "60.00", created_at=now)
    code, said = command("--hours", "1")

    assert code == 1
    assert "charge_unknown_to_us ch_of_others: 60.00 BRL (gateway: captured 60.00 BRL" in said
    assert "1 charges in its books, 0 in ours; 1 differ, 0 of them cases" in said


def test_the_command_says_when_a_gateway_is_silent(books):
    books.write(paid(), "60.00")
    books.silent_after = 0

    code, said = command("--gateway", "sandbox")

    assert code == 2
    assert "did not answer" in said


@pytest.mark.django_db(databases=EVERYWHERE)
def test_purchases_and_the_sandbox_agree_until_somebody_charges_by_hand(shopper, shirt, psp):
    started = clock.now()
    order = shopper.order(shopper.fill(shirt).check_out(card()))
    gateway_id = order.payments.get().gateway_id
    refund(psp, gateway_id, "10.00")
    theirs = charge(psp, key="by hand", amount="12.00").json()["id"]
    later = clock.now() + timedelta(minutes=11)

    report = reconcile(gateway="sandbox", since=started - timedelta(seconds=1), until=later, now=later)

    ours = [each for each in report.findings if each.reference in (gateway_id, theirs)]
    assert [(each.kind, each.reference, each.amount) for each in ours] == [
        (CaseKind.CHARGE_UNKNOWN_TO_US, theirs, brl("12.00"))
    ]
    assert report.healed >= 1
    assert LedgerEntry.objects.get(attempt__order=order, kind="refund").amount == Decimal("10.00")
