"""A real SMTP server that keeps what it is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


class AnyPort(Controller):
    """Lets the system choose the port when it is 0."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = int(self.server.sockets[0].getsockname()[1])
        super()._trigger_server()


class MailSink:
    """``refuse`` may answer a recipient with an SMTP reply such as ``550 unknown``; None lets it pass. The connection
    breaks without an answer after the text of a mail to ``hang_up_on``."""

    def __init__(self, port: int = 0) -> None:
        self.mails: list[EmailMessage] = []
        self.connections = 0
        self.refuse: Callable[[str], str | None] = lambda address: None
        self.hang_up_on = ""
        self._arrived = threading.Condition()
        self._controller = AnyPort(self, hostname="127.0.0.1", port=port, ready_timeout=10)

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if refusal := self.refuse(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hang_up_on in envelope.rcpt_tos:
            server.transport.abort()
            return "421 gone"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        with self._arrived:
            self.mails.append(mail)
            self._arrived.notify_all()
        return "250 OK"

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def recipients(self) -> list[str]:
        return sorted(str(mail["To"]) for mail in self.mails)

    def wait_for(self, count: int, seconds: float = 20) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.mails) >= count, seconds), f"{len(self.mails)} of {count}"

    @contextmanager
    def running(self) -> Iterator[MailSink]:
        self._controller.start()
        try:
            yield self
        finally:
            self._controller.stop()


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def use_smtp(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "", ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
