"""Sending what is due, against a real SMTP server."""

import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.mail.backends.smtp import EmailBackend
from django.db import connections

from contexts.notification import usecases
from contexts.notification.adapters import CHANNELS, email
from contexts.notification.domain import MAX_ATTEMPTS, Channel, Outgoing, email_key
from contexts.notification.models import DeliveryAttempt, Message, Preference, Template, TemplateVersion
from contexts.notification.tasks import deliver_due
from contexts.notification.usecases import delivery
from tests.contexts.notification.factories import NOW, MessageFactory
from tests.contexts.notification.mail_sink import MailSink, text_of, use_smtp
from tests.contexts.notification.parallel import in_parallel

LATER = NOW + timedelta(hours=12)
SENDER = Path(__file__).with_name("send_and_stall.py")

one_database = pytest.mark.django_db(databases=["notification"])
real_commits = pytest.mark.django_db(databases=["notification"], transaction=True)


def send(now: Any = NOW, **options: Any) -> int:
    return usecases.deliver_batch(channel=Channel.EMAIL, now=now, **options)


@one_database
def test_each_due_mail_arrives_once_complete_and_in_utf8(templates: None, sink: MailSink, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Loja São João <loja@shop.example>"
    messages = MessageFactory.create_batch(45)
    MessageFactory(next_attempt_at=NOW + timedelta(seconds=1))
    MessageFactory(status="failed")

    assert send() == 45
    assert send() == 0

    assert sink.recipients == sorted(message.recipient for message in messages)
    assert sink.connections <= 4
    mail = next(mail for mail in sink.mails if mail["To"] == messages[0].recipient)
    assert mail["Subject"] == "Pedido 2026-000123 confirmado"
    assert str(mail["From"]) == "Loja São João <loja@shop.example>"
    assert mail["Message-ID"] == f"<{messages[0].id}.0@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    assert "Olá, João Araújo!" in text_of(mail)
    assert "2 x Camiseta <azul> (CAM-1): R$\xa099,80" in text_of(mail)
    html = text_of(mail, "html")
    assert "Camiseta &lt;azul&gt;" in html
    assert "confirmamos o pagamento" in html.lower()


@one_database
def test_what_was_sent_is_on_record(templates: None, sink: MailSink) -> None:
    message = MessageFactory()
    send()

    message.refresh_from_db()
    published = Template.objects.get(key="order_confirmed", channel="email", locale="pt-br").published
    assert (message.status, message.attempts, message.next_attempt_at) == ("sent", 1, None)
    assert message.sent_at is not None
    assert NOW <= message.sent_at < NOW + timedelta(seconds=30)
    assert message.template_version == published
    assert message.provider_id == sink.mails[0]["Message-ID"]
    assert message.subject == sink.mails[0]["Subject"]
    assert "Camiseta" in message.body_text
    assert message.body_html.startswith("<!doctype html>")
    attempt = message.delivery_attempts.get()
    assert (attempt.number, attempt.outcome, attempt.error) == (1, "sent", "")


@one_database
def test_a_marketing_mail_can_be_unsubscribed_by_one_click(templates: None, sink: MailSink) -> None:
    context = {"name": "", "pieces": 1, "subtotal": {"amount": "1.00", "currency": "BRL"}, "recovery_url": "https://x"}
    MessageFactory(kind="cart_abandoned", event_type="cart.abandoned.v1", context=context)
    send()

    [mail] = sink.mails
    link = mail["List-Unsubscribe"].strip()
    assert link.startswith("<http")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.strip("<>") in text_of(mail)
    assert mail["To"] not in link


@one_database
def test_a_missing_language_falls_back_and_a_missing_template_is_installed(sink: MailSink) -> None:
    Template.objects.update(published=None)
    TemplateVersion.objects.all().delete()
    Template.objects.all().delete()
    MessageFactory(locale="en")
    send()
    assert sink.mails[0]["Subject"] == "Order 2026-000123 confirmed"

    Template.objects.filter(key="order_confirmed", locale="en").update(published=None)
    MessageFactory(locale="en")
    send()
    assert sink.mails[1]["Subject"] == "Pedido 2026-000123 confirmado"


@one_database
def test_a_dead_server_costs_a_pause_not_the_mail(templates: None, settings: Any) -> None:
    port = free_port()
    use_smtp(settings, port)
    messages = MessageFactory.create_batch(3)

    assert send() == 3
    for message in messages:
        message.refresh_from_db()
        assert (message.status, message.attempts) == ("queued", 1)
        assert message.next_attempt_at is not None
        assert NOW <= message.next_attempt_at <= NOW + timedelta(seconds=20)
        assert "refused" in message.last_error
        assert message.delivery_attempts.get().outcome == "temporary"

    with MailSink(port).running() as sink:
        assert send(now=NOW + timedelta(seconds=30)) == 3
    assert sink.recipients == sorted(message.recipient for message in messages)
    assert set(Message.objects.values_list("status", "attempts", "last_error")) == {("sent", 2, "")}


@one_database
def test_a_dead_server_is_asked_once_per_connection(
    templates: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_smtp(settings, free_port())
    settings.DELIVERY_CONNECTIONS = 1
    MessageFactory.create_batch(5)
    asked = []
    original = EmailBackend.open
    monkeypatch.setattr(EmailBackend, "open", lambda self: (asked.append(1), original(self))[1])

    assert send() == 5
    assert len(asked) == 1
    assert Message.objects.filter(status="queued", attempts=1).count() == 5


@one_database
def test_a_broken_connection_costs_its_mail_a_pause_and_the_next_gets_a_new_one(
    templates: None, sink: MailSink, settings: Any
) -> None:
    settings.DELIVERY_CONNECTIONS = 1
    messages = sorted(MessageFactory.create_batch(5), key=lambda message: message.id)
    sink.hang_up_on = messages[2].recipient

    send()

    assert sink.connections == 2
    assert sink.recipients == sorted(message.recipient for message in messages if message != messages[2])
    messages[2].refresh_from_db()
    assert messages[2].status == "queued"
    assert messages[2].last_error


@one_database
def test_after_eight_failures_a_message_is_given_up(templates: None, settings: Any) -> None:
    use_smtp(settings, free_port())
    message = MessageFactory()
    now = NOW
    for _ in range(MAX_ATTEMPTS):
        assert send(now=now) == 1
        now += timedelta(hours=7)

    assert send(now=now) == 0
    message.refresh_from_db()
    assert (message.status, message.attempts, message.next_attempt_at) == ("failed", 8, None)
    assert message.delivery_attempts.count() == 8


@one_database
def test_a_refused_address_fails_at_once_and_others_are_not_held_up(templates: None, sink: MailSink) -> None:
    sink.refuse = lambda address: {"bad": "550 5.1.1 no such user", "slow": "451 4.7.1 greylisted"}.get(address[:-12])
    bad, slow, good = (MessageFactory(recipient=f"{name}@example.com") for name in ("bad", "slow", "good"))
    send()

    for message in (bad, slow, good):
        message.refresh_from_db()
    assert (bad.status, bad.last_error) == ("failed", "550 5.1.1 no such user")
    assert (slow.status, slow.last_error) == ("queued", "451 4.7.1 greylisted")
    assert good.status == "sent"
    assert sink.recipients == ["good@example.com"]


@one_database
@pytest.mark.parametrize("address", ["a@example.com\nBcc: b@example.com", "a@b@example.com", "@"])
def test_an_impossible_address_fails_without_reaching_the_server(templates: None, sink: MailSink, address: str) -> None:
    message, good = MessageFactory(recipient=address), MessageFactory()
    send()

    message.refresh_from_db()
    assert message.status == "failed"
    assert sink.recipients == [good.recipient]


@one_database
def test_a_broken_template_waits_for_its_repair(templates: None, sink: MailSink) -> None:
    template = Template.objects.get(key="order_confirmed", channel="email", locale="pt-br")
    broken = template.add_version(subject="x", body_text="{{ name|money }}", body_html="", created_by=None, now=NOW)
    template.publish(broken, now=NOW)
    message = MessageFactory()
    send()
    message.refresh_from_db()
    assert message.status == "queued"
    assert "TypeError" in message.last_error

    usecases.roll_back(template_id=template.id, now=NOW)
    send(now=LATER)
    message.refresh_from_db()
    assert message.status == "sent"


@one_database
def test_what_nobody_expected_to_fail_holds_up_nobody_else(
    templates: None, sink: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = MessageFactory(), MessageFactory()
    as_mail = email.as_mail

    def surprise(outgoing: Outgoing) -> Any:
        if outgoing.recipient == bad.recipient:
            raise RuntimeError("surprise")
        return as_mail(outgoing)

    monkeypatch.setattr(email, "as_mail", surprise)
    send()

    bad.refresh_from_db()
    assert (bad.status, bad.attempts, bad.last_error) == ("queued", 1, "RuntimeError: surprise")
    assert sink.recipients == [good.recipient]


@one_database
def test_a_wish_made_since_is_respected(templates: None, sink: MailSink) -> None:
    guest, other = MessageFactory(), MessageFactory()
    MessageFactory(recipient_key="customer:1")
    for key in (email_key(guest.recipient), "customer:1"):
        Preference.objects.create(
            recipient_key=key, channel="email", category="transactional", allowed=False, updated_at=NOW
        )
    send()

    assert sink.recipients == [other.recipient]
    assert set(Message.objects.exclude(id=other.id).values_list("status", "reason")) == {("suppressed", "opted_out")}


@one_database
def test_channels_without_a_provider_say_so(templates: None) -> None:
    for channel in (Channel.SMS, Channel.PUSH):
        message = MessageFactory(channel=channel, kind="order_shipped", recipient="+5511987654321")
        assert usecases.deliver_batch(channel=channel, now=NOW) == 1
        message.refresh_from_db()
        assert (message.status, message.reason) == ("suppressed", "channel_not_configured")
        assert not message.delivery_attempts.exists()


@one_database
def test_a_claim_of_another_worker_is_left_alone_until_its_lease_ends(templates: None, sink: MailSink) -> None:
    message = MessageFactory()
    [claimed] = Message.objects.claim(channel="email", now=NOW, lease=timedelta(minutes=5), size=10)

    assert send() == 0
    assert send(now=NOW + timedelta(minutes=4)) == 0
    assert send(now=NOW + timedelta(minutes=5)) == 1
    assert sink.recipients == [message.recipient]

    claimed.mark_failed(now=NOW, error="too late", final=True, jitter=0)
    Message.objects.settle([claimed])
    message.refresh_from_db()
    assert (message.status, message.attempts, message.last_error) == ("sent", 2, "")


@one_database
def test_a_message_whose_workers_keep_dying_is_given_up(templates: None, sink: MailSink) -> None:
    message = MessageFactory(status="sending", attempts=MAX_ATTEMPTS)
    send()

    message.refresh_from_db()
    assert message.status == "failed"
    assert not sink.mails


@one_database
def test_a_slow_batch_gives_back_what_it_cannot_send_in_time(templates: None, sink: MailSink) -> None:
    messages = MessageFactory.create_batch(3)

    assert send(lease=timedelta(0)) == 3
    assert not sink.mails
    assert set(Message.objects.values_list("status", "attempts")) == {("queued", 0)}
    assert not DeliveryAttempt.objects.exists()
    send(now=NOW + timedelta(seconds=5))
    assert len(sink.mails) == len(messages)


@real_commits
def test_four_workers_share_the_work_and_repeat_nothing(templates: None, sink: MailSink) -> None:
    messages = MessageFactory.create_batch(120)

    def work(number: int) -> None:
        while send(size=7):
            pass

    in_parallel(4, work)

    assert sink.recipients == sorted(message.recipient for message in messages)
    assert Message.objects.filter(status="sent", attempts=1).count() == 120


@real_commits
def test_no_transaction_is_open_while_the_provider_is_talked_to(
    templates: None, sink: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    MessageFactory()
    seen: list[tuple[bool, str]] = []
    adapter = type(CHANNELS[Channel.EMAIL].session().__enter__())
    original = adapter.send

    def spy(self: Any, message: Any) -> Any:
        seen.append((connections["notification"].in_atomic_block, Message.objects.get().status))
        return original(self, message)

    monkeypatch.setattr(adapter, "send", spy)
    send()

    assert seen == [(False, "sending")]


@real_commits
def test_the_mails_of_a_killed_worker_are_sent_after_the_lease(templates: None, sink: MailSink) -> None:
    """The worker dies by SIGKILL after 20 recorded mails and some more that were sent but not recorded.

    Of the second twenty one connection stalls at its third mail, so three of its five are missing.
    """
    messages = sorted(MessageFactory.create_batch(50), key=lambda message: message.id)
    stalled = "comprador-that-stalls@example.com"
    Message.objects.filter(id=messages[30].id).update(recipient=stalled)
    database = connections["notification"].settings_dict["NAME"]
    worker = subprocess.Popen([sys.executable, str(SENDER), str(database), str(sink.port), stalled])
    try:
        wait_until(lambda: Message.objects.filter(status="sent").count() == 20, worker)
        wait_until(lambda: len(sink.mails) == 37, worker)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)

    assert Message.objects.filter(status="sending").count() == 30
    now = NOW + delivery.LEASE + timedelta(minutes=1)
    assert send(now=now - timedelta(minutes=2)) == 0
    assert send(now=now) == 30

    assert Message.objects.filter(status="sent").count() == 50
    ids = [mail["Message-ID"] for mail in sink.mails]
    assert len(set(ids)) == 50
    assert len(ids) == 67


@real_commits
def test_a_run_sends_until_nothing_is_due(templates: None, sink: MailSink) -> None:
    MessageFactory.create_batch(230)

    assert deliver_due() == 230
    assert len(sink.mails) == 230
    assert deliver_due() == 0


@real_commits
def test_a_channel_with_a_sender_is_left_to_it(templates: None, sink: MailSink) -> None:
    MessageFactory()
    now = NOW + timedelta(days=3650)
    owner = MessageFactory().id
    assert usecases.take_lane(channel=Channel.EMAIL, owner=owner, now=now)
    assert not usecases.take_lane(channel=Channel.EMAIL, owner=MessageFactory().id, now=now)
    assert deliver_due() == 0

    usecases.leave_lane(channel=Channel.EMAIL, owner=owner, now=NOW)
    assert deliver_due() == 3


def wait_until(condition: Any, worker: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert worker.poll() is None, f"the worker ended with {worker.returncode}"
        assert time.monotonic() < deadline, "too slow"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
