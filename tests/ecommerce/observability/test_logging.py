import json
import logging
import sys
from collections.abc import Iterator
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
import structlog

from ecommerce.observability import context
from ecommerce.observability.logging import HIDDEN, configure, formatter, redact, settings_for


class Lines(logging.Handler):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.setFormatter(formatter(json=as_json, service="catalog"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    yield from _attached(Lines(as_json=True))


@pytest.fixture
def console() -> Iterator[Lines]:
    yield from _attached(Lines(as_json=False))


def _attached(handler: Lines) -> Iterator[Lines]:
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


def only(lines: Lines) -> dict[str, Any]:
    (line,) = lines.lines
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_a_line_says_what_happened_where_and_for_whom(lines: Lines) -> None:
    with context.bound(correlation_id="c-1", actor="user:7") as bound:
        structlog.get_logger("shop").info("order_placed", order_id="o-1", total="10.00")

    entry = only(lines)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "order_placed",
        "order_id": "o-1",
        "total": "10.00",
        "level": "info",
        "logger": "shop",
        "service": "catalog",
        "correlation_id": "c-1",
        "trace_id": bound.trace_id,
        "span_id": bound.span_id,
        "actor": "user:7",
    }


def test_records_of_the_standard_library_look_the_same(lines: Lines) -> None:
    with context.bound(correlation_id="c-1"):
        logging.getLogger("shop").warning("%s is slow", "gateway", extra={"seconds": 3})

    entry = only(lines)
    assert (entry["event"], entry["seconds"], entry["level"]) == ("gateway is slow", 3, "warning")
    assert (entry["service"], entry["correlation_id"]) == ("catalog", "c-1")


def test_arguments_of_tasks_and_requests_are_not_logged(lines: Lines) -> None:
    celery = logging.getLogger("celery.app.trace")
    celery.addHandler(lines)
    try:
        celery.error("Task failed", extra={"data": {"args": "('ana@example.com',)"}})
    finally:
        celery.removeHandler(lines)
    logging.getLogger("shop").error("Internal Server Error", extra={"request": "<WSGIRequest: GET '/x'>"})

    assert not any("ana@example.com" in line or "WSGIRequest" in line for line in lines.lines)


def test_outside_a_request_no_identity_is_invented(lines: Lines) -> None:
    structlog.get_logger("shop").info("started")

    assert "correlation_id" not in only(lines)


def test_personal_data_and_secrets_are_hidden_at_any_depth(lines: Lines) -> None:
    structlog.get_logger("shop").info(
        "x",
        email="ana@example.com",
        Customer_CPF="1",
        tax_id="52998224725",
        access_token="t",
        order={"shippingAddress": {"street": "Rua A"}, "lines": [{"phone": "1", "sku": "A"}], "X-Authorization": "b"},
    )

    entry = only(lines)
    assert [entry[key] for key in ("email", "Customer_CPF", "tax_id", "access_token")] == [HIDDEN] * 4
    assert entry["order"] == {
        "shippingAddress": HIDDEN,
        "lines": [{"phone": HIDDEN, "sku": "A"}],
        "X-Authorization": HIDDEN,
    }


def test_what_nests_too_deeply_is_hidden_whole() -> None:
    nested: dict[str, Any] = {"email": "ana@example.com"}
    for _ in range(20):
        nested = {"inner": nested}

    assert "ana@example.com" not in str(redact(None, "", {"event": "x", "data": nested}))


@pytest.mark.parametrize("way", ["structlog", "standard library"])
def test_a_traceback_is_logged_without_the_values_of_variables(lines: Lines, way: str) -> None:
    try:
        password = "hunter2"
        raise ValueError("no stock")
    except ValueError:
        if way == "structlog":
            structlog.get_logger("shop").exception("failed")
        else:
            logging.getLogger("shop").exception("failed")

    entry = only(lines)
    assert entry["exception"][0]["exc_type"] == "ValueError"
    assert entry["exception"][0]["exc_value"] == "no stock"
    assert password not in lines.lines[0].replace('password = "hunter2"', "")


def test_developers_get_readable_lines(console: Lines) -> None:
    structlog.get_logger("shop").info("order_placed", order_id="o-1", email="ana@example.com")

    (line,) = console.lines
    assert "order_placed" in line
    assert "o-1" in line
    assert "ana@example.com" not in line


def test_levels_are_respected(lines: Lines) -> None:
    structlog.get_logger("shop").debug("noise")

    assert lines.lines == []


def test_values_without_json_do_not_break_a_line(lines: Lines) -> None:
    structlog.get_logger("shop").info("x", value=object(), where=sys)

    assert "object object" in only(lines)["value"]


def test_the_setting_configures_the_root_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure(settings_for(json=True, level="WARNING", service="x"))
        assert root.level == logging.WARNING
        assert logging.getLogger("django.request").getEffectiveLevel() == logging.ERROR
    finally:
        root.handlers, root.level = handlers, level


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("550 no mailbox ana.souza+x@mail.example.com here", "ana.souza"),
        ("CPF 529.982.247-25 is taken", "529.982"),
        ("CNPJ 11.222.333/0001-81 is taken", "11.222"),
        ("duplicate key\nDETAIL:  Key (full_name)=(Ana Souza) already exists.", "Ana Souza"),
        ("refused: Authorization: Bearer eyJhbGciOi.J9-_x", "eyJhbGciOi"),
    ],
)
def test_personal_data_and_secrets_are_hidden_in_texts_of_errors(lines: Lines, text: str, secret: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        structlog.get_logger("shop").exception("failed", reason=str(error))

    assert secret not in lines.lines[0]
    assert only(lines)["exception"][0]["exc_type"] == "ValueError"


def test_ids_amounts_and_times_are_not_taken_for_personal_data(lines: Lines) -> None:
    told = {"order_id": "019e1c2a-7a72-7479-afc2-8d7216369f8b", "amount": "1234567.89", "at": "2026-11-28T21:15:00Z"}
    structlog.get_logger("shop").info("x", **told)

    assert only(lines).items() >= told.items()


@pytest.mark.parametrize("shown", ["lines", "console"])
def test_the_row_that_a_constraint_refused_is_not_told(shown: str, request: pytest.FixtureRequest) -> None:
    """PostgreSQL quotes it whole: addresses, documents, tokens."""
    handler: Lines = request.getfixturevalue(shown)
    told = 'violates "cards_number"\nDETAIL:  Failing row contains (ana@example.com,\n52998224725).'
    try:
        try:
            raise ValueError(told)
        except ValueError as error:
            raise RuntimeError("not saved") from error
    except RuntimeError:
        structlog.get_logger("shop").exception("unhandled")

    [line] = handler.lines
    assert "cards_number" in line
    assert "not saved" in line
    assert "ana@example.com" not in line
    assert "52998224725" not in line


@pytest.mark.parametrize("shown", ["lines", "console"])
def test_a_recipient_that_a_mail_server_refused_is_not_named(shown: str, request: pytest.FixtureRequest) -> None:
    handler: Lines = request.getfixturevalue(shown)
    refused = SMTPRecipientsRefused({"ana+loja@mail.example.com": (550, b"no such user")})
    try:
        raise refused
    except SMTPRecipientsRefused:
        logging.getLogger("shop").exception("Task %s raised: %s", "identity.send_mail", refused)

    [line] = handler.lines
    assert "no such user" in line
    assert "example.com" not in line


def test_a_traceback_that_somebody_put_into_the_message_tells_no_row_either(lines: Lines) -> None:
    logging.getLogger("shop").error('IntegrityError: "orders"\nDETAIL:  Failing row contains (52998224725).\n')

    assert "52998224725" not in lines.lines[0]
    assert "IntegrityError" in only(lines)["event"]
