"""Outgoing mail of accounts: confirmation links, password resets, security notices.

A worker sends it, so that a slow mail server never holds a request, and a broken one costs a retry instead of a signup.
"""

from typing import Any

import structlog
from celery import current_app
from celery.exceptions import OperationalError
from django.core.mail import EmailMessage, EmailMultiAlternatives

from ecommerce.observability import tracing

TASK = "identity.send_mail"
CONFIRM_SECONDS = 1.0
"""How long a request waits for the broker to take a letter. One that is out of memory keeps silent."""

logger = structlog.get_logger(__name__)


def post(message: EmailMessage) -> None:
    """Hand ``message`` to the worker; if the broker is out of reach or keeps silent, send it from here.

    A broker that kept silent may have it all the same: then it goes out twice. It may hold a secret link: Celery shows
    neither its text nor its recipient in logs and events.
    """
    html = next((content for content, _ in getattr(message, "alternatives", [])), "")
    letter: dict[str, Any] = {
        "subject": str(message.subject),
        "body": str(message.body),
        "sender": message.from_email,
        "recipients": list(message.to),
        "html": html,
    }
    with current_app.producer_or_acquire() as producer:
        try:
            current_app.signature(TASK, kwargs=letter).apply_async(
                producer=producer, retry=False, confirm_timeout=CONFIRM_SECONDS, kwargsrepr="[redacted]"
            )
            return
        except OperationalError:
            logger.exception("broker out of reach, sending the mail at once")
            producer.connection.collect()  # without the farewell, which a silent broker would not answer
    deliver(**letter)


def deliver(*, subject: str, body: str, sender: str, recipients: list[str], html: str) -> None:
    """Send one mail now.

    Raises:
        OSError: the mail server is out of reach or refused (``SMTPException`` is an ``OSError``).
    """
    message = EmailMultiAlternatives(subject, body, sender, recipients)
    if html:
        message.attach_alternative(html, "text/html")
    with tracing.span("send email", kind="client"):
        message.send()
