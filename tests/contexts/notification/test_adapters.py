"""SMS against a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from contexts.notification import usecases
from contexts.notification.domain import Channel
from contexts.notification.models import Message
from tests.contexts.notification.factories import NOW, MessageFactory, order_data

pytestmark = pytest.mark.django_db(databases=["notification"])


class Provider(BaseHTTPRequestHandler):
    answer: ClassVar[tuple[int, bytes]] = (200, b'{"id": "sms-1"}')
    requests: ClassVar[list[tuple[dict[str, str], dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status, text = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def provider(settings: Any) -> Iterator[type[Provider]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.SMS_URL, settings.SMS_TOKEN = f"http://127.0.0.1:{server.server_port}/messages", "secret"
    Provider.requests, Provider.answer = [], (200, b'{"id": "sms-1"}')
    yield Provider
    server.shutdown()
    server.server_close()
    thread.join()


def text_message() -> Message:
    context = {"order": order_data(), "carrier": "Correios", "tracking_code": "BR1"}
    return MessageFactory(kind="order_shipped", channel="sms", recipient="+5511987654321", context=context)


def send(message: Message) -> Message:
    usecases.deliver_batch(channel=Channel.SMS, now=NOW)
    message.refresh_from_db()
    return message


def test_a_text_message_reaches_the_provider(templates: None, provider: type[Provider]) -> None:
    message = send(text_message())

    [(headers, body)] = provider.requests
    assert (message.status, message.provider_id) == ("sent", "sms-1")
    assert headers["authorization"] == "Bearer secret"
    assert headers["idempotency-key"] == body["reference"] == f"{message.id}.0"
    assert body["to"] == "+5511987654321"
    assert body["text"] == "Loja: pedido 2026-000123 enviado por Correios. Rastreio: BR1"


@pytest.mark.parametrize(
    ("answer", "status"),
    [((400, b"bad number"), "failed"), ((429, b"slow down"), "queued"), ((503, b""), "queued"), ((200, b"[]"), "sent"),
     ((202, b"not json"), "sent")],
)  # fmt: skip
def test_the_providers_answer_decides(
    templates: None, provider: type[Provider], answer: tuple[int, bytes], status: str
) -> None:
    provider.answer = answer
    message = send(text_message())

    assert message.status == status
    assert message.last_error == ("" if status == "sent" else f"{answer[0]} {answer[1].decode()}")


def test_a_provider_that_is_down_is_tried_again(templates: None, settings: Any) -> None:
    settings.SMS_URL = "http://127.0.0.1:9/messages"
    message = send(text_message())

    assert message.status == "queued"
    assert "ConnectError" in message.last_error
