"""A worker of its own process: sends the due mails of a test database and stops forever at one recipient."""

import os
import sys
import time
from typing import Any

database, port, stalled = sys.argv[1:]
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
sys.path.insert(0, os.getcwd())

import django  # noqa: E402
from django.conf import settings  # noqa: E402

settings.DATABASES["notification"]["NAME"] = database
settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", int(port), False
settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
django.setup()

from contexts.notification import usecases  # noqa: E402
from contexts.notification.adapters.email import EmailSession  # noqa: E402
from contexts.notification.domain import Channel, Outgoing  # noqa: E402
from tests.contexts.notification.factories import NOW  # noqa: E402

send = EmailSession.send


def stall(self: EmailSession, message: Outgoing) -> Any:
    if message.recipient == stalled:
        time.sleep(600)
    return send(self, message)


EmailSession.send = stall  # type: ignore[method-assign]
usecases.deliver_batch(channel=Channel.EMAIL, now=NOW)
