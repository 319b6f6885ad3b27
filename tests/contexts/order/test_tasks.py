from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections

from contexts.order import tasks
from contexts.order.models import LedgerEntry, StaffCase, WebhookEvent
from contexts.order.usecases.receive_webhook import MAX_ATTEMPTS
from ecommerce import clock
from ecommerce.http import idempotency
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.order.factories import PaymentAttemptFactory

pytestmark = pytest.mark.django_db(databases=["order"])


def test_all_stored_webhooks_are_worked_off_in_one_run():
    now = clock.now()
    for number in range(60):
        facts = {"event_id": f"evt{number}", "event_type": "x", "gateway_id": "ch", "body": "{}"}
        WebhookEvent.objects.create(gateway="sandbox", received_at=now, due_at=now, **facts)
    assert tasks.process_stored_webhooks() == 60
    assert {row.error for row in WebhookEvent.objects.all()} == {"LookupError: no payment attempt for ch"}


def test_gateways_are_asked_about_silent_payments(gateway):
    PaymentAttemptFactory(status="unknown", updated_at=clock.now() - timedelta(hours=1))
    assert tasks.ask_gateways() == 1


@pytest.mark.parametrize(
    ("task", "days", "differences"),
    [(tasks.reconcile_payments, 0, 1), (tasks.reconcile_payments, 20, 0), (tasks.reconcile_month, 20, 1)],
)
def test_the_books_of_a_day_are_compared_hourly_and_those_of_a_month_daily(gateway, task, days, differences):
    at = clock.now() - timedelta(days=days, hours=1)
    attempt = PaymentAttemptFactory(status="captured", gateway_id=f"ch_{new_id()}", created_at=at)
    LedgerEntry.objects.create(attempt=attempt, kind="capture", amount=attempt.amount, reference="x", at=at)
    ours = StaffCase.objects.filter(attempt=attempt)

    task()

    assert [case.kind for case in ours] == ["charge_unknown_to_gateway"] * differences


def test_a_webhook_that_was_given_up_is_a_case_within_the_hour(gateway):
    now = clock.now()
    facts = {"event_id": "evt", "event_type": "x", "gateway_id": "ch", "body": "{}", "attempts": MAX_ATTEMPTS}
    WebhookEvent.objects.create(gateway="sandbox", received_at=now, due_at=now, attempt_id=new_id(), **facts)

    tasks.reconcile_payments()

    assert StaffCase.objects.get(kind="webhook_given_up").attempt is None


def test_all_expired_keys_are_purged():
    with unit_of_work("order"):
        for number in range(3):
            idempotency.claim("order", "guest", str(number), "f", resource_id=new_id())
    with connections["order"].cursor() as cursor:
        cursor.execute("UPDATE idempotency_keys SET expires_at = created_at - interval '1 day' WHERE key <> '0'")
    assert tasks.purge_idempotency_keys() == 2
    assert tasks.purge_idempotency_keys() == 0


def test_every_task_has_its_time():
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    ours = {
        tasks.process_stored_webhooks, tasks.ask_gateways, tasks.purge_idempotency_keys, tasks.reconcile_payments,
        tasks.reconcile_month,
    }  # fmt: skip
    assert {task.name for task in ours} <= scheduled
