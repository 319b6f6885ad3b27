"""Account mails: posted to a worker, never in the way."""

from typing import Any

import pytest
from celery.exceptions import OperationalError
from django.core.mail import EmailMessage, EmailMultiAlternatives

from config.celery import app
from contexts.identity.adapters import mail
from contexts.identity.tasks import send_mail


def letter() -> EmailMultiAlternatives:
    message = EmailMultiAlternatives("Oi", "Olá", "loja@example.com", ["ana@example.com"])
    message.attach_alternative("<p>Olá</p>", "text/html")
    return message


def test_a_worker_sends_what_was_posted(mailoutbox: list[EmailMultiAlternatives]) -> None:
    mail.post(letter())
    sent = mailoutbox[0]
    assert (sent.subject, sent.body, sent.from_email, sent.to) == ("Oi", "Olá", "loja@example.com", ["ana@example.com"])
    assert [tuple(part) for part in sent.alternatives] == [("<p>Olá</p>", "text/html")]


def test_the_broker_gets_the_task_and_shows_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}
    app.conf.task_always_eager = False
    monkeypatch.setattr(app, "send_task", lambda name, *_, **options: sent.update(options, name=name))
    mail.post(letter())
    assert (sent["name"], sent["kwargsrepr"]) == ("identity.send_mail", "[redacted]")
    assert sent["confirm_timeout"] <= 1, "a broker out of memory keeps silent, and a request must not wait for it"


def test_without_a_broker_the_mail_goes_out_at_once(
    monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("celery.canvas.Signature.apply_async", fail)
    mail.post(letter())
    assert len(mailoutbox) == 1


def test_a_mail_server_out_of_reach_means_another_try(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    tried = send_mail.apply(
        kwargs={"subject": "", "body": "", "sender": "a@example.com", "recipients": ["b@example.com"], "html": ""},
        throw=False,
        retries=send_mail.max_retries,
    )
    assert isinstance(tried.result, ConnectionRefusedError)
    assert send_mail.autoretry_for == (OSError,)
