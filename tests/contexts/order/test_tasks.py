from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections

from contexts.order import tasks
from contexts.order.models import WebhookEvent
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
    ours = {tasks.process_stored_webhooks, tasks.ask_gateways, tasks.purge_idempotency_keys}
    assert {task.name for task in ours} <= scheduled
