"""The outbox in the back office."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.outbox.models import OutboxEvent
from tests.ecommerce.back_office import logged_in, rows_of, statements, text_of, url

pytestmark = pytest.mark.django_db(databases=["identity", "order", "catalog"])

LIST, PAGE = "outbox_outboxevent_changelist", "outbox_outboxevent_change"
DISCARD = "outbox_outboxevent_discard"
ARCHIVE = "outbox_archivedevent_changelist"


@pytest.fixture
def staff():
    return logged_in(is_superuser=True)


def held(publish, status: str, *, alias: str = "order") -> OutboxEvent:
    """Return an event that did not leave."""
    subject = publish()
    event = OutboxEvent.objects.using("order").get(aggregate_id=str(subject))
    if alias != "order":
        event.id, event._state.adding = None, True
        event.save(using=alias)
    OutboxEvent.objects.using(alias).filter(id=event.id).update(
        status=status, attempts=10, last_error="no queue is bound", available_at=clock.now() + timedelta(hours=1)
    )
    return OutboxEvent.objects.using(alias).get(id=event.id)


def archived(alias: str, *, days: float, count: int = 1) -> None:
    with connections[alias].cursor() as cursor:
        for number in range(count):
            cursor.execute(
                "INSERT INTO outbox_archive SELECT %s, %s, 'order', %s, 1, 'order.placed.v1', '{}', '{}', 1, 'app',"
                " now(), now() - make_interval(secs => %s)",
                [number + 1, new_id(), str(new_id()), days * 86400],
            )


def test_what_did_not_leave_is_listed_by_context(staff, publish):
    ours, theirs = held(publish, "PARKED"), held(publish, "BLOCKED", alias="catalog")
    publish()
    assert len(rows_of(staff.get(url(LIST)))) == 3
    assert rows_of(staff.get(url(LIST, context="order", status__exact="PARKED"))) == [ours]
    assert rows_of(staff.get(url(LIST, context="catalog"))) == [theirs]
    assert "no queue is bound" in text_of(staff.get(url(PAGE, ours.id)))


def test_retrying_gives_all_attempts_back_to_what_is_held_only(staff, publish):
    parked, blocked = held(publish, "PARKED"), held(publish, "BLOCKED")
    theirs = held(publish, "PARKED", alias="catalog")
    form = {"action": "retry", "_selected_action": [parked.id, blocked.id, theirs.id]}
    answer = staff.post(url(LIST, context="order"), form, follow=True)
    assert "2 evento(s) na fila." in text_of(answer)
    for event in (parked, blocked):
        event.refresh_from_db()
        assert (event.status, event.attempts, event.available_at) == ("PENDING", 0, None)
    theirs.refresh_from_db()
    assert theirs.status == "PARKED"


def test_who_retried_what_is_written_down(staff, publish):
    parked, pending = held(publish, "PARKED"), held(publish, "PENDING")
    staff.post(url(LIST, context="order"), {"action": "retry", "_selected_action": [parked.id, pending.id]})
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(parked.id), "[order] tentar de novo")


def test_discarding_needs_a_reason_and_is_written_down(staff, publish):
    parked = held(publish, "PARKED")
    page = url(DISCARD, parked.id, context="order")
    assert "obrigatório" in text_of(staff.post(page, {"_form_submitted": "on", "reason": " "}))
    assert OutboxEvent.objects.using("order").exists()
    answer = staff.post(page, {"_form_submitted": "on", "reason": "pedido de teste"}, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == url(LIST, context="order")
    assert not OutboxEvent.objects.using("order").exists()
    message = LogEntry.objects.get().change_message
    assert message.startswith(f"[order] {parked.event_id} ")
    assert message.endswith("pedido de teste")


@pytest.mark.parametrize("status", ["PENDING", "BLOCKED"])
def test_only_what_waits_for_a_person_is_discarded(staff, publish, status):
    event = held(publish, status)
    answer = staff.post(url(DISCARD, event.id), {"_form_submitted": "on", "reason": "x"}, follow=True)
    assert "Só se descarta" in text_of(answer)
    assert OutboxEvent.objects.using("order").exists()
    assert not LogEntry.objects.exists()


def test_nothing_is_edited_and_who_may_look_may_not_decide(staff, publish):
    parked = held(publish, "PARKED")
    assert staff.post(url(PAGE, parked.id), {"status": "PENDING"}).status_code == 403
    assert staff.post(url("outbox_outboxevent_delete", parked.id), {"post": "yes"}).status_code == 403
    looking = logged_in("outbox.view_outboxevent")
    looking.post(url(LIST), {"action": "retry", "_selected_action": [parked.id]})
    assert looking.post(url(DISCARD, parked.id), {"_form_submitted": "on", "reason": "x"}).status_code == 403
    parked.refresh_from_db()
    assert parked.status == "PARKED"


def test_what_was_published_lately_is_shown_newest_first(staff):
    archived("order", days=1)
    archived("order", days=2)
    archived("order", days=8)
    shown = rows_of(staff.get(url(ARCHIVE)))
    assert [round((clock.now() - event.published_at) / timedelta(days=1)) for event in shown] == [1, 2]
    page = url("outbox_archivedevent_change", shown[0].id)
    assert staff.post(page, {}).status_code == 403
    assert rows_of(staff.get(url(ARCHIVE, context="catalog"))) == []


def test_who_says_from_when_sees_older_events_and_a_type_narrows_them(staff):
    archived("order", days=1)
    archived("order", days=20)
    since = clock.now() - timedelta(days=21)
    period = {"published_at_from_0": f"{since:%d/%m/%Y}", "published_at_from_1": "00:00:00"}
    assert len(rows_of(staff.get(url(ARCHIVE, **period)))) == 2
    assert len(rows_of(staff.get(url(ARCHIVE, event_type="order.placed.v1", **period)))) == 2
    assert rows_of(staff.get(url(ARCHIVE, event_type="order.placed", **period))) == []
    until = {"published_at_to_0": f"{clock.now() - timedelta(days=10):%d/%m/%Y}", "published_at_to_1": "00:00:00"}
    assert len(rows_of(staff.get(url(ARCHIVE, **period, **until)))) == 1
    nonsense = staff.get(url(ARCHIVE, **{**period, "published_at_from_0": "2026/99/99"}))
    assert "O período não foi entendido" in text_of(nonsense)


def test_only_who_may_replay_is_led_to_it(staff):
    archived("order", days=1)
    looking = logged_in("outbox.view_archivedevent")
    assert "Reenviar a um manipulador" in text_of(staff.get(url(ARCHIVE)))
    assert "Reenviar" not in text_of(looking.get(url(ARCHIVE)))
    for page in ("outbox_archivedevent_replay_these", "outbox_archivedevent_replay_this"):
        arguments = [1] if page.endswith("this") else []
        assert looking.get(url(page, *arguments)).status_code == 403
    assert staff.get(url("outbox_archivedevent_replay_this", 99)).status_code == 404


def test_events_are_found_by_their_aggregate(staff, publish):
    subject = publish()
    publish()
    assert [event.aggregate_id for event in rows_of(staff.get(url(LIST, q=str(subject))))] == [str(subject)]


@pytest.mark.parametrize("page", [LIST, ARCHIVE])
def test_the_statements_of_a_list_do_not_depend_on_its_rows(staff, publish, page):
    counts = []
    for number in (1, 12):
        for _ in range(number):
            publish()
        archived("order", days=0.1, count=number)
        with statements("order") as executed:
            assert staff.get(url(page)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 2
