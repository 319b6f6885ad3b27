"""Structured logs: JSON lines in production, coloured lines on a developer's screen, personal data in neither."""

from __future__ import annotations

import io
import logging.config
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from ecommerce.observability.context import bound_or_none

PERSONAL = (
    "email", "e_mail", "cpf", "cnpj", "tax_id", "phone", "password", "passwd", "secret", "token", "authorization",
    "cookie", "address", "card_number", "cvv", "recipient",
)  # fmt: skip
"""A value is hidden when its key contains one of these words."""
HIDDEN = "[redacted]"
TEXTS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # an address of mail
    r"|\b\d{3}\.\d{3}\.\d{3}-\d{2}\b|\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b"  # CPF and CNPJ as people write them
    r"|(?<=\)=\()[^)\n]*(?=\))"  # PostgreSQL: Key (email)=(...) already exists
    r"|(?<=Bearer )[\w.~+/=-]+"
)
"""What is hidden wherever it stands, in texts of errors most of all."""
ROW = re.compile(r"\nDETAIL:.*?(?=\n\n|\Z)", re.DOTALL)
"""Where PostgreSQL tells, as part of an error, the values of the row that a constraint refused."""
MAX_DEPTH = 6

EventDict = MutableMapping[str, Any]


def settings_for(*, json: bool, level: str, service: str) -> dict[str, Any]:
    """Return the ``LOGGING`` setting. ``service`` names this process in every line."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": f"{__name__}.formatter", "json": json, "service": service}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.request": {"level": "ERROR"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "ERROR"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Apply ``LOGGING``; named by the ``LOGGING_CONFIG`` setting, so that structlog is set up at the same moment."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def formatter(*, json: bool, service: str) -> logging.Formatter:
    """Return the formatter of every handler; it treats structlog's and the standard library's records alike."""

    def add_service(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        drop_baggage,
        add_request_context,
        redact,
    ]
    ending: list[Any] = [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    ]
    if json:
        tracebacks = ExceptionRenderer(_traceback)
        ending = [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    ending.append(hide_in_texts)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[*shared, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        use_get_message=True,
    )


def drop_baggage(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Drop what frameworks attach to their records: Django the request, Celery the arguments of the task."""
    event.pop("request", None)
    if event.get("logger", "").startswith("celery"):
        event.pop("data", None)
    return event


def add_request_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the identity of the request or message at hand, if there is one."""
    if context := bound_or_none():
        event["correlation_id"] = context.correlation_id
        event["trace_id"] = context.trace_id
        event["span_id"] = context.span_id
        if context.actor:
            event["actor"] = context.actor
    return event


def hide_in_texts(_logger: Any, _method: str, line: str) -> str:
    """Hide personal data and secrets that can be told by their form."""
    return TEXTS.sub(HIDDEN, line)


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide personal data and secrets, at any depth, by the name of their key, and rows in any text."""
    for key, value in event.items():
        if is_personal(key):
            event[key] = HIDDEN
        elif isinstance(value, str):
            event[key] = without_rows(value)
        elif isinstance(value, Mapping | list | tuple):
            event[key] = _redacted(value, MAX_DEPTH)
    return event


def without_rows(text: str) -> str:
    """Return a text without the rows that PostgreSQL quotes."""
    return ROW.sub("", text) if "\nDETAIL:" in text else text


@lru_cache(maxsize=4096)
def is_personal(key: str) -> bool:
    """Tell whether values under ``key`` must not be logged."""
    normalized = key.lower().replace("-", "_")
    return any(word in normalized for word in PERSONAL)


def _redacted(value: Any, depth: int) -> Any:
    if depth == 0:
        return HIDDEN
    if isinstance(value, Mapping):
        return {k: HIDDEN if is_personal(str(k)) else _redacted(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, depth - 1) for item in value]
    return without_rows(value) if isinstance(value, str) else value


_transform = ExceptionDictTransformer(show_locals=False)


def _traceback(exc_info: ExcInfo) -> list[dict[str, Any]]:
    entries = _transform(exc_info)
    for entry in entries:
        entry["exc_value"] = without_rows(entry["exc_value"].partition("\nDETAIL:")[0])
    return entries


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(without_rows(written.getvalue()))
