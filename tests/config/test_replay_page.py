"""Asking for a replay by a real client: the form, what it would find, the go-ahead, and its record."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import connections
from django.test import Client

from config import replay_page
from config.tasks import continue_replays
from contexts.cart.models import VariantPrice
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox.models import InboxMessage, ReplayRun
from ecommerce.outbox import history
from tests.config.archived import ALIASES, HANDLER, NOON, TYPE, all_databases, archive, remote
from tests.ecommerce.back_office import logged_in, text_of, url

pytestmark = [all_databases, pytest.mark.usefixtures("only_cart_listens")]
REPLAY = "inbox.replay_events"
RUN, CANCEL, RUNS = "inbox_replayrun_change", "inbox_replayrun_cancel", "inbox_replayrun_changelist"
ADD = "/admin/inbox/replayrun/add/"
FORM = {"handler": HANDLER, "since": "2026-11-20T00:00:00", "until": "2026-11-21T00:00:00", "reason": "faltaram"}


@pytest.fixture
def staff() -> Client:
    return logged_in(REPLAY, "inbox.view_replayrun")


def hidden(answer: Any) -> dict[str, Any]:
    """Return what the page asks the browser to send back."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text):
        found.setdefault(name, []).append(value)
    return {name: values if name == "types" else values[-1] for name, values in found.items()}


def begin(staff: Client, **changed: Any) -> Any:
    confirm = staff.post(ADD, {**FORM, **changed})
    return staff.post(ADD, {**hidden(confirm), "_begin": "1"}, follow=True)


def asked() -> ReplayRun:
    return ReplayRun.objects.using("cart").get()


def test_only_who_may_replay_sees_the_form_and_begins() -> None:
    for client, status in (
        (logged_in(REPLAY), 200),
        (logged_in("inbox.change_parkedmessage", "inbox.view_replayrun"), 403),
        (Client(), 302),
    ):
        assert client.get(ADD).status_code == status
        assert client.post(ADD, {**FORM, "run_id": str(new_id()), "_begin": "1"}).status_code in (status, 302)
    assert ReplayRun.objects.using("cart").count() == 1


def test_a_form_from_elsewhere_begins_nothing(staff: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = staff.cookies
    for address in (ADD, url(CANCEL, new_id(), context="cart")):
        assert strict.post(address, {**FORM, "run_id": str(new_id()), "_begin": "1"}).status_code == 403
    assert not ReplayRun.objects.using("cart").exists()


def test_it_is_counted_first_and_nothing_happens(staff: Client) -> None:
    known, *_ = archive(1), archive(2), archive(3), archive(4, at=NOON + timedelta(days=3))
    InboxMessage.objects.using("cart").create(
        consumer=HANDLER, message_id=known.id, event_type=TYPE, outcome="HANDLED", handled_at=NOON
    )

    answer = staff.post(ADD, FORM)

    text = text_of(answer)
    assert "2 seriam entregues" in text
    assert "1 já tratado" in text
    assert hidden(answer)["expected"] == "3"
    assert not ReplayRun.objects.using("cart").exists()
    assert not VariantPrice.objects.using("cart").exists()


def test_the_go_ahead_leads_to_effects_once_by_a_worker_and_is_written_down(staff: Client) -> None:
    events = [archive(number) for number in (1, 2)]

    answer = begin(staff)

    assert "um worker começa em segundos" in text_of(answer)
    assert not VariantPrice.objects.using("cart").exists()
    run = asked()
    actor = staff.session["_auth_user_id"]
    assert (run.reason, run.actor, run.expected, run.status) == ("faltaram", f"user:{actor}", 2, "RUNNING")
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id, str(entry.user_id)) == (ADDITION, str(run.id), actor)
    assert entry.change_message == f"[cart] catalog → {HANDLER}: {TYPE} – faltaram"

    continue_replays()

    assert {str(row.variant_id) for row in VariantPrice.objects.using("cart")} == {event.subject for event in events}
    page = text_of(staff.get(url(RUN, run.id, context="cart")))
    assert "terminado" in page
    assert "2 de 2 previstos" in page


def test_a_second_click_begins_nothing_more(staff: Client) -> None:
    archive(1)
    form = {**hidden(staff.post(ADD, FORM)), "_begin": "1"}
    first, second = staff.post(ADD, form), staff.post(ADD, form)
    assert first.headers["Location"] == second.headers["Location"] == url(RUN, asked().id, context="cart")
    assert LogEntry.objects.count() == 1


def test_without_an_end_the_moment_of_the_count_is_the_end(staff: Client) -> None:
    archive(1)
    before = clock.now()
    confirm = staff.post(ADD, {**FORM, "until": ""})
    after = clock.now()
    staff.post(ADD, {**hidden(confirm), "_begin": "1"})
    assert before <= asked().until <= after


def test_one_aggregate_alone_is_replayed(staff: Client) -> None:
    archive(1)
    wanted = archive(2)
    begin(staff, aggregate=wanted.subject)
    continue_replays()
    assert [str(row.variant_id) for row in VariantPrice.objects.using("cart")] == [wanted.subject]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"handler": "cart.forgotten"}, "cart.forgotten não é uma das escolhas"),
        ({"handler": ""}, "obrigatório"),
        ({"types": ["order.placed.v1"]}, "order.placed.v1 não é uma das escolhas"),
        ({"since": "ontem"}, "Informe uma data/hora válida"),
        ({"since": ""}, "obrigatório"),
        ({"since": "2026-11-21T00:00:00"}, "O fim precisa vir depois do começo."),
        ({"reason": "  "}, "obrigatório"),
        ({"reason": "x" * 501}, "no máximo 500"),
        ({"aggregate": "x" * 61}, "no máximo 60"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(staff: Client, changed: dict[str, Any], text: str) -> None:
    archive(1)
    for form in ({**FORM, **changed}, {**FORM, **changed, "run_id": str(new_id()), "_begin": "1"}):
        answer = staff.post(ADD, form)
        assert answer.status_code == 200
        assert text in text_of(answer)
    assert not ReplayRun.objects.using("cart").exists()


def test_a_type_that_the_handler_does_not_hear_is_said(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = replay_page._types
    monkeypatch.setattr(replay_page, "_offered", lambda: [*replay_page.handlers()])
    other = next(handler for handler in replay_page.handlers() if TYPE not in heard(handler))
    answer = staff.post(ADD, {**FORM, "types": [TYPE, other.event.type]})
    assert f"{HANDLER} não ouve {other.event.type}." in text_of(answer)


def test_going_back_keeps_what_was_filled_in(staff: Client) -> None:
    archive(1)
    answer = staff.post(ADD, {**hidden(staff.post(ADD, FORM)), "_edit": "1"})
    assert "faltaram" in answer.text
    assert f'<option value="{HANDLER}" selected>' in answer.text
    assert not ReplayRun.objects.using("cart").exists()


def test_nothing_to_replay_offers_no_go_ahead(staff: Client) -> None:
    answer = staff.post(ADD, FORM)
    assert "Nada foi publicado assim" in text_of(answer)
    assert "_begin" not in answer.text


def test_a_count_that_takes_too_long_is_cut_and_says_so(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.replay.LOOKED_UP", 2)
    times = iter((0.0, replay_page.COUNTING_SECONDS))
    monkeypatch.setattr(replay_page, "time", SimpleNamespace(monotonic=lambda: next(times)))
    for number in range(1, 6):
        archive(number)
    answer = staff.post(ADD, FORM)
    assert "só os primeiros 2 foram contados" in text_of(answer)
    staff.post(ADD, {**hidden(answer), "_begin": "1"})
    assert asked().expected is None
    assert continue_replays() == 5


@pytest.mark.django_db(transaction=True, databases=ALIASES)
@pytest.mark.usefixtures("empty_archive")
def test_an_archive_too_large_to_be_read_in_time_is_said_and_can_be_replayed(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(1)
    monkeypatch.setattr(replay_page, "COUNTING_SECONDS", 0.05)
    slow = history.REFERENCES.replace("WHERE", "WHERE pg_sleep(5) IS NOT NULL AND", 1)
    monkeypatch.setattr(history, "REFERENCES", slow)

    answer = staff.post(ADD, FORM)

    assert "só os primeiros 0 foram contados" in text_of(answer)
    assert 'name="_begin"' in answer.text
    with connections["catalog"].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_handlers_whose_publisher_runs_elsewhere_are_not_offered(staff: Client, settings: Any) -> None:
    assert f'value="{HANDLER}"' in staff.get(ADD).text
    remote(settings, "catalog")
    assert f'value="{HANDLER}"' not in staff.get(ADD).text


def test_the_form_begins_with_what_the_archive_was_filtered_by() -> None:
    staff = logged_in(REPLAY, "outbox.view_archivedevent")
    event = archive(1, at=clock.now() - timedelta(hours=1))
    filtered = {
        "context": "catalog", "event_type": TYPE, "q": event.subject, "published_at_from_0": "27/11/2026",
        "published_at_from_1": "10:00:00",
    }  # fmt: skip
    page = staff.get(url("outbox_archivedevent_changelist", **filtered))
    link = re.search(r'href="(/admin/outbox/archivedevent/replay/\?[^"]*)"', page.text)
    assert link

    answer = staff.get(link.group(1).replace("&amp;", "&"), follow=True)

    initial = answer.context["form"].initial
    assert (initial["types"], initial["aggregate"]) == ([TYPE], event.subject)
    assert initial["since"].isoformat() == "2026-11-27T10:00:00+00:00"
    assert f'<option value="{HANDLER}">' in answer.text
    assert "cart.forget" not in re.findall(r'<option value="(cart\.[^"]*)"', answer.text)


def test_a_published_event_leads_to_its_own_replay() -> None:
    staff = logged_in(REPLAY, "outbox.view_archivedevent", "inbox.view_replayrun")
    event, _ = archive(1, at=clock.now() - timedelta(hours=1)), archive(2, at=clock.now() - timedelta(hours=1))
    answer = staff.get(url("outbox_archivedevent_replay_this", 1, context="catalog"), follow=True)
    initial = answer.context["form"].initial

    begin(
        staff, types=initial["types"], aggregate=initial["aggregate"], since=initial["since"].isoformat(),
        until=initial["until"].isoformat(),
    )  # fmt: skip
    continue_replays()

    assert [str(row.variant_id) for row in VariantPrice.objects.using("cart")] == [event.subject]


def test_a_run_is_cancelled_with_a_reason_and_that_is_written_down(staff: Client) -> None:
    archive(1)
    begin(staff)
    run = asked()
    page = url(CANCEL, run.id, context="cart")
    assert "obrigatório" in text_of(staff.post(page, {"_form_submitted": "on", "reason": ""}))
    assert asked().status == "RUNNING"

    staff.post(page, {"_form_submitted": "on", "reason": "engano"})

    assert asked().status == "CANCELLED"
    assert LogEntry.objects.latest("id").change_message.endswith("reenvio cancelado – engano")
    assert continue_replays() == 0
    again = staff.post(page, {"_form_submitted": "on", "reason": "de novo"}, follow=True)
    assert "já tinha terminado" in text_of(again)
    assert LogEntry.objects.count() == 2


def test_who_may_look_at_runs_may_not_cancel_them(staff: Client) -> None:
    archive(1)
    begin(staff)
    run = asked()
    looking = logged_in("inbox.view_replayrun")
    assert looking.get(url(RUNS, context="cart")).status_code == 200
    assert looking.get(url(RUN, run.id, context="cart")).status_code == 200
    assert looking.post(url(CANCEL, run.id), {"_form_submitted": "on", "reason": "x"}).status_code == 403
    assert staff.post(url(RUN, run.id, context="cart"), {"status": "DONE"}).status_code == 403
    assert asked().status == "RUNNING"
    assert UUID(str(run.id)).version == 7


def test_the_statements_of_the_list_of_runs_do_not_depend_on_its_rows(staff: Client, statements: Any) -> None:
    archive(1)
    counts = []
    for number in (1, 12):
        for _ in range(number):
            begin(staff)
        with statements("cart") as executed:
            assert staff.get(url(RUNS, context="cart")).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 2
