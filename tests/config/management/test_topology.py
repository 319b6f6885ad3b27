from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ecommerce.topology import Topology, current


def topology(*options: str) -> str:
    out = StringIO()
    call_command("topology", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def docs(tmp_path: Path, settings: Any) -> Path:
    """The documents, written by the command into a directory of its own."""
    settings.BASE_DIR = tmp_path
    topology("--write")
    return tmp_path / "docs"


def test_it_shows_contexts_events_and_calls() -> None:
    lines = [line.split() for line in topology().splitlines()]

    assert ["catalog", "catalog_service", "catalog_service", "catalog_events", "3002"] in lines
    assert ["cart.abandoned.v1", "cart.usecases.abandonment", "notification.remind_of_cart"] in lines
    assert ["CartInterface.get_contact", "notification.handlers"] in lines


def test_what_was_just_written_is_up_to_date(docs: Path) -> None:
    assert sorted(path.name for path in docs.iterdir()) == ["context-map.md", "events.md"]
    assert "up to date" in topology("--check")


@pytest.mark.parametrize("name", ["context-map.md", "events.md"])
def test_an_outdated_document_is_named(docs: Path, name: str) -> None:
    (docs / name).write_text((docs / name).read_text().replace("cart.abandoned.v1", "cart.abandoned.v2"))

    with pytest.raises(CommandError, match=f"Out of date: docs/{name}. Run: make docs") as refusal:
        topology("--check")

    assert refusal.value.returncode == 1


def test_a_missing_document_is_named(docs: Path) -> None:
    (docs / "events.md").unlink()

    with pytest.raises(CommandError, match="docs/events.md"):
        topology("--check")


def test_the_map_draws_calls_solid_and_events_dotted(docs: Path) -> None:
    drawn = (docs / "context-map.md").read_text()

    assert '    notification -->|"get_contact"| cart' in drawn
    assert '    cart -.->|"abandoned.v1"| notification' in drawn


def test_the_catalogue_tells_fields_types_and_schema(docs: Path) -> None:
    chapters = (docs / "events.md").read_text().split("\n## ")
    chapter = next(text for text in chapters if text.startswith("order.confirmed.v1"))

    assert "The order is paid in full." in chapter
    assert r"| `customer_id` | `UUID \| None` |" in chapter
    assert "| `lines` | `list[OrderedLine]` |" in chapter
    assert "`OrderedLine`:" in chapter
    assert '"format": "uuid"' in chapter


def test_a_process_with_some_contexts_does_not_know_enough(settings: Any) -> None:
    first, *others = current().contexts
    settings.TOPOLOGY = Topology((replace(first, local=False), *others))

    with pytest.raises(CommandError, match="CONTEXTS"):
        topology("--check")
