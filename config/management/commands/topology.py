"""``manage.py topology``: contexts, events and calls as the code has them.

Writes and checks the documents of them, and keeps the code to the released schemas of the events.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.documents import documents
from config.landscape import Landscape
from config.releases import Incompatible, gate, release
from ecommerce.topology import current


class Command(BaseCommand):
    help = "Show contexts, events with their handlers and interfaces with their callers."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        purpose = parser.add_mutually_exclusive_group()
        purpose.add_argument("--write", action="store_true", help="write the generated documents in docs/")
        purpose.add_argument("--release", action="store_true", help="write new and compatibly changed event schemas")
        purpose.add_argument(
            "--check", action="store_true", help="fail when a document is out of date or an event is not as released"
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
        directory = settings.BASE_DIR / "docs"
        directory.mkdir(exist_ok=True)
        for name, text in documents(landscape).items():
            (directory / name).write_text(text)
            self.stdout.write(f"docs/{name} written")

    def _release(self, landscape: Landscape) -> None:
        """Write the schemas that others may rely on from now on.

        Raises:
            CommandError: an event changed incompatibly; nothing was written.
        """
        try:
            types = release(_events(landscape), _released())
        except Incompatible as refusal:
            raise CommandError(str(refusal)) from refusal
        for type_ in types:
            self.stdout.write(f"docs/schemas/events/{type_}.json written")
        if not types:
            self.stdout.write("Every event is released as it is.")

    def _check(self, landscape: Landscape) -> None:
        """Compare the documents and the released schemas with the code.

        Raises:
            CommandError: a document is missing or out of date, an event changed incompatibly, or it changed compatibly
                and that is not released; the exit code is 1.
        """
        directory = settings.BASE_DIR / "docs"
        stale = [
            f"docs/{name}"
            for name, text in documents(landscape).items()
            if not (directory / name).exists() or (directory / name).read_text() != text
        ]
        outdated = f"Out of date: {', '.join(stale)}. Run: make docs" if stale else ""
        compared = gate(_events(landscape), _released())
        if problems := [text for text in (compared.refusal, compared.reminder, outdated) if text]:
            raise CommandError("\n".join(problems))
        self.stdout.write("The generated documents are up to date, and events are as released.")


def _events(landscape: Landscape) -> list[type[Any]]:
    return [each.event for each in landscape.events]


def _released() -> Path:
    directory: Path = settings.BASE_DIR / "docs" / "schemas" / "events"
    return directory


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
