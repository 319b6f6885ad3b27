"""The beat jobs; the delivery itself is tested in test_delivery."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connections
from django.test.utils import CaptureQueriesContext

from config.celery import app
from contexts.notification.models import Message
from contexts.notification.tasks import deliver_due, purge_messages
from ecommerce import clock
from tests.contexts.notification.factories import MessageFactory

pytestmark = pytest.mark.django_db(databases=["notification"])


def test_messages_past_their_retention_go_and_others_stay(settings: Any) -> None:
    settings.MESSAGE_RETENTION_DAYS = 30
    today = clock.now()
    MessageFactory.create_batch(3, status="sent", created_at=today - timedelta(days=31))
    kept = MessageFactory(status="sent", created_at=today - timedelta(days=29))

    assert purge_messages() == 3
    assert Message.objects.get() == kept


def test_nothing_to_do_costs_one_statement() -> None:
    with CaptureQueriesContext(connections["notification"]) as queries:
        assert deliver_due() == 0
    assert len(queries) == 1


def test_both_jobs_are_on_the_schedule() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in configured.CELERY_BEAT_SCHEDULE.values()}

    assert {"notification.deliver_due", "notification.purge_messages"} <= scheduled
    assert {"notification.deliver_due", "notification.purge_messages"} <= set(app.tasks)
