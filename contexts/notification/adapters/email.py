"""E-mail through Django's mail backend (``EMAIL_URL``)."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parseaddr
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from contexts.notification.adapters.channels import ChannelAdapter, Receipt, Refused, Session, Unreachable
from contexts.notification.domain import Outgoing


class EmailSession(Session):
    """One connection for a whole batch. A connection that broke is opened again once; a server that cannot be reached
    is not tried again in this session."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._open = False
        self._down = ""

    def send(self, message: Outgoing) -> Receipt:
        mail = as_mail(message)
        self._connect()
        try:
            self._connection.send_messages([mail])
        except smtplib.SMTPException as error:
            raise self._failure(error) from error
        except OSError as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        except ValueError as error:  # a header with a line break, an address that cannot be written
            raise Refused(f"{type(error).__name__}: {error}") from error
        return Receipt(provider_id=mail.extra_headers["Message-ID"], response="accepted")

    def close(self) -> None:
        """Say goodbye; a server that is gone already does not mind."""
        self._open = False
        try:
            self._connection.close()
        except (smtplib.SMTPException, OSError):
            self._connection.connection = None

    def _connect(self) -> None:
        if self._down:
            raise Unreachable(self._down)
        if self._open:
            return
        try:
            self._connection.open()
        except (smtplib.SMTPException, OSError) as error:
            self._down = f"{type(error).__name__}: {error}"
            raise Unreachable(self._down) from error
        self._open = True

    def _failure(self, error: smtplib.SMTPException) -> Refused | Unreachable:
        code, text = _answer(error)
        if not 400 <= code < 600 or code == 421:
            self.close()
        return Refused(text) if 500 <= code < 600 else Unreachable(text)


class EmailChannel(ChannelAdapter):
    def is_configured(self) -> bool:
        return True

    @contextmanager
    def session(self) -> Iterator[EmailSession]:
        session = EmailSession(get_connection())
        try:
            yield session
        finally:
            session.close()


class Mail(EmailMultiAlternatives):
    """Names its MIME boundary itself; the standard library would search all text for a free one."""

    def message(self, **options: Any) -> Any:
        message = super().message(**options)
        if message.is_multipart():
            message.set_boundary(f"={uuid4().hex}=")
        return message


def as_mail(message: Outgoing) -> Mail:
    """Return the mail; its ``Message-ID`` derives from the reference, so that a repeated delivery is recognisable."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    headers = {"Message-ID": f"<{message.reference}@{domain}>", "Auto-Submitted": "auto-generated", **message.headers}
    mail = Mail(message.subject, message.text, settings.DEFAULT_FROM_EMAIL, [message.recipient], headers=headers)
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    return mail


def _answer(error: smtplib.SMTPException) -> tuple[int, str]:
    """Return the code and text of the server's answer; code 0 when the connection just ended."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return code, f"{code} {reply.decode(errors='replace')}"
    if isinstance(error, smtplib.SMTPResponseException):
        answered: bytes | str = error.smtp_error
        text = answered.decode(errors="replace") if isinstance(answered, bytes) else answered
        return error.smtp_code, f"{error.smtp_code} {text}"
    return 0, f"{type(error).__name__}: {error}"
