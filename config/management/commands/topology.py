"""``manage.py topology``: contexts, events and calls as the code has them.

Writes and checks the documents of them and of the sagas and the files of ``docker/`` that follow from them, and keeps
the code to what was released: the schemas of the events, the methods of the interfaces, the step lists of the sagas.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import gateways, interfaces, step_lists
from config.documents import documents
from config.landscape import Landscape
from config.releases import Gate, gate, release
from ecommerce.topology import current


class Command(BaseCommand):
    help = "Show contexts, events with their handlers and interfaces with their callers."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        purpose = parser.add_mutually_exclusive_group()
        purpose.add_argument("--write", action="store_true", help="write what is generated in docs/ and docker/")
        purpose.add_argument("--release", action="store_true", help="write new and compatibly changed schemas")
        purpose.add_argument(
            "--check",
            action="store_true",
            help="fail when a document is out of date, or an event, an interface or a saga is not as released",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if len(current().local) < len(current().contexts):
            raise CommandError("Only some contexts run here. Unset CONTEXTS: the whole landscape is needed.")
        landscape = Landscape(current())
        if options["write"]:
            self._write(landscape)
        elif options["release"]:
            self._release(landscape)
        elif options["check"]:
            self._check(landscape)
        else:
            self.stdout.write("\n".join(_overview(landscape)))

    def _write(self, landscape: Landscape) -> None:
        for name, text in _generated(landscape).items():
            path = settings.BASE_DIR / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self.stdout.write(f"{name} written")

    def _release(self, landscape: Landscape) -> None:
        """Write the schemas and step lists that others may rely on from now on.

        Raises:
            CommandError: an event, an interface or a released step list changed incompatibly; nothing was written.
        """
        if refusals := [compared.refusal for compared in _compared(landscape) if compared.breaches]:
            raise CommandError("\n".join(refusals))
        schemas = _schemas()
        written = [f"events/{type_}" for type_ in release(_events(landscape), schemas / "events")]
        written += [f"interfaces/{name}" for name in interfaces.release(landscape.methods, schemas / "interfaces")]
        written += [f"sagas/{name}" for name in step_lists.release(landscape.sagas, schemas / "sagas")]
        for name in written:
            self.stdout.write(f"docs/schemas/{name}.json written")
        if not written:
            self.stdout.write("Every event, every interface and every saga is released as it is.")

    def _check(self, landscape: Landscape) -> None:
        """Compare the documents and what was released with the code.

        Raises:
            CommandError: a document is missing or out of date, an event, an interface or a released step list changed
                incompatibly, or a compatible change or a new version is not released; the exit code is 1.
        """
        stale = [
            name
            for name, text in _generated(landscape).items()
            for path in [settings.BASE_DIR / name]
            if not path.exists() or path.read_text() != text
        ]
        outdated = f"Out of date: {', '.join(stale)}. Run: make docs" if stale else ""
        told = [text for compared in _compared(landscape) for text in (compared.refusal, compared.reminder)]
        if problems := [text for text in (*told, outdated) if text]:
            raise CommandError("\n".join(problems))
        self.stdout.write("The generated documents are up to date, and events, interfaces and sagas are as released.")


def _generated(landscape: Landscape) -> dict[str, str]:
    """Return path → content of every generated file."""
    files = {f"docs/{name}": text for name, text in documents(landscape).items()}
    return files | {f"docker/{name}": text for name, text in gateways.files(landscape).items()}


def _events(landscape: Landscape) -> list[type[Any]]:
    return [each.event for each in landscape.events]


def _schemas() -> Path:
    directory: Path = settings.BASE_DIR / "docs" / "schemas"
    return directory


def _compared(landscape: Landscape) -> tuple[Gate, ...]:
    schemas = _schemas()
    return (
        gate(_events(landscape), schemas / "events"),
        interfaces.gate(landscape.methods, schemas / "interfaces"),
        step_lists.gate(landscape.sagas, schemas / "sagas"),
    )


def _overview(landscape: Landscape) -> list[str]:
    contexts = [
        (context.name, context.schema, context.role, context.queue, str(context.port)) for context in landscape.contexts
    ]
    events = [
        (each.event.type, _list(each.publishers), _list(handler.name for handler in each.handlers))
        for each in landscape.events
    ]
    calls = [(f"{each.interface.__name__}.{each.name}", _list(each.callers)) for each in landscape.methods]
    return [
        *_columns([("context", "schema", "role", "queue", "port"), *contexts]),
        "",
        *_columns([("event", "published by", "handlers"), *events]),
        "",
        *_columns([("interface", "called from"), *calls]),
    ]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
