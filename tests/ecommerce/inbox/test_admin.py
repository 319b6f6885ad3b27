"""Parked messages in the back office."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from tests.ecommerce.back_office import logged_in, rows_of, statements, text_of, url

pytestmark = pytest.mark.django_db(databases=["identity", "order", "catalog"])

LIST, PAGE, DISCARD = "inbox_parkedmessage_changelist", "inbox_parkedmessage_change", "inbox_parkedmessage_discard"


@pytest.fixture
def staff():
    return logged_in(is_superuser=True)


def parked(alias: str = "order", **values) -> ParkedMessage:
    facts = {
        "consumer": f"{alias}.do_something", "message_id": new_id(), "partition_key": "k", "event_type": "x.y.v1",
        "headers": {"id": "1"}, "body": "{}", "reason": "ValueError: kaputt", "status": "PARKED", "attempts": 10,
        "available_at": clock.now() + timedelta(hours=1), "created_at": clock.now(), **values,
    }  # fmt: skip
    return ParkedMessage.objects.using(alias).create(**facts)


def test_what_waits_is_listed_by_context(staff):
    ours, theirs = parked(), parked("catalog")
    assert rows_of(staff.get(url(LIST))) == [ours]
    assert rows_of(staff.get(url(LIST, context="catalog"))) == [theirs]
    page = text_of(staff.get(url(PAGE, theirs.id, context="catalog")))
    assert "ValueError: kaputt" in page
    assert "espera uma pessoa" in page
    assert "('PARKED'" not in page


def test_retrying_gives_all_attempts_back(staff):
    message, unreadable, unknown = parked(), parked(message_id=None, consumer="order"), parked(consumer="order")
    form = {"action": "retry", "_selected_action": [message.id, unreadable.id, unknown.id]}
    answer = staff.post(url(LIST, context="order"), form, follow=True)
    assert "1 mensagem(ns) na fila." in text_of(answer)
    assert "2 mensagem(ns) ficam como estão" in text_of(answer)
    for row in (message, unreadable, unknown):
        row.refresh_from_db()
    assert (message.status, message.attempts) == ("RETRY", 0)
    assert message.available_at <= clock.now()
    assert (unreadable.status, unknown.status) == ("PARKED", "PARKED")


def test_who_retried_what_is_written_down_for_what_was_retried_only(staff):
    first, second, unreadable = parked("catalog"), parked("catalog"), parked("catalog", message_id=None)
    form = {"action": "retry", "_selected_action": [first.id, second.id, unreadable.id]}
    staff.post(url(LIST, context="catalog"), form)
    entries = LogEntry.objects.order_by("object_id")
    assert [(entry.object_id, entry.change_message, str(entry.user_id)) for entry in entries] == [
        (str(message.id), "[catalog] tentar de novo", staff.session["_auth_user_id"])
        for message in sorted((first, second), key=lambda message: str(message.id))
    ]


def test_discarding_needs_a_reason_and_is_remembered(staff):
    message = parked("catalog")
    page = url(DISCARD, message.id, context="catalog")
    assert staff.post(page, {"_form_submitted": "on", "reason": ""}).status_code == 200
    assert ParkedMessage.objects.using("catalog").exists()
    answer = staff.post(page, {"_form_submitted": "on", "reason": "pedido de teste"}, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == url(LIST, context="catalog")
    assert not ParkedMessage.objects.using("catalog").exists()
    kept = InboxMessage.objects.using("catalog").get()
    assert (kept.consumer, kept.message_id, kept.outcome) == (message.consumer, message.message_id, "DISCARDED")
    assert "[catalog]" in LogEntry.objects.get().change_message
    assert "pedido de teste" in LogEntry.objects.get().change_message


def test_what_could_not_be_read_is_discarded_without_a_memory(staff):
    message = parked(message_id=None, consumer="order")
    staff.post(url(DISCARD, message.id, context="order"), {"_form_submitted": "on", "reason": "lixo"})
    assert not ParkedMessage.objects.using("order").exists()
    assert not InboxMessage.objects.using("order").exists()


def test_nothing_is_edited_and_who_may_look_may_not_decide(staff):
    message = parked()
    assert staff.post(url(PAGE, message.id), {"status": "RETRY"}).status_code == 403
    looking = logged_in("inbox.view_parkedmessage")
    assert looking.post(url(DISCARD, message.id), {"reason": "x"}).status_code == 403
    looking.post(url(LIST), {"action": "retry", "_selected_action": [message.id]})
    message.refresh_from_db()
    assert message.status == "PARKED"


def test_a_message_that_is_gone_is_not_found(staff):
    assert staff.post(url(DISCARD, 99999), {"_form_submitted": "on", "reason": "x"}).status_code == 404


def test_the_statements_of_the_list_do_not_depend_on_its_rows(staff):
    counts = []
    for number in (1, 12):
        for _ in range(number):
            parked()
        with statements("order") as executed:
            assert staff.get(url(LIST)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 2
