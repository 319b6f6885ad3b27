from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from config.landscape import Landscape
from ecommerce.topology import Topology, current


def topology(*options: str) -> str:
    out = StringIO()
    call_command("topology", *options, stdout=out)
    return out.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the command has written everything that it writes."""
    folder = tmp_path_factory.mktemp("written")
    with override_settings(BASE_DIR=folder):
        topology("--write")
        topology("--release")
    return folder


@pytest.fixture
def docs(written: Path, tmp_path: Path, settings: Any) -> Path:
    """The documents and released schemas, in a directory of the test's own."""
    settings.BASE_DIR = tmp_path
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "docs"


def test_it_shows_contexts_events_and_calls() -> None:
    lines = [line.split() for line in topology().splitlines()]

    assert ["catalog", "catalog_service", "catalog_service", "catalog_events", "3002"] in lines
    assert ["cart.abandoned.v1", "cart.usecases.abandonment", "notification.remind_of_cart"] in lines
    assert ["CartInterface.get_contacts", "notification.handlers"] in lines


def test_what_was_just_written_is_up_to_date(docs: Path) -> None:
    written = ["asyncapi.json", "context-map.md", "events.md", "sagas.md", "schemas"]
    assert sorted(path.name for path in docs.iterdir()) == written
    assert "up to date" in topology("--check")


@pytest.mark.parametrize("name", ["asyncapi.json", "context-map.md", "events.md"])
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

    assert '    notification -->|"get_contacts"| cart' in drawn
    assert '    cart -.->|"abandoned.v1"| notification' in drawn


def test_the_catalogue_tells_fields_types_and_schema(docs: Path) -> None:
    chapters = (docs / "events.md").read_text().split("\n## ")
    chapter = next(text for text in chapters if text.startswith("order.confirmed.v1"))

    assert "The order is paid in full." in chapter
    assert r"| `customer_id` | `UUID \| None` |" in chapter
    assert "| `lines` | `list[OrderedLine]` |" in chapter
    assert "`OrderedLine`:" in chapter
    assert '"format": "uuid"' in chapter


def stored(docs: Path, type_: str) -> Path:
    return docs / "schemas" / "events" / f"{type_}.json"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a released schema, so that the code is what differs from it."""
    schema = json.loads(path.read_text())
    change(next(iter(schema["$defs"].values())))
    path.write_text(json.dumps(schema))


def test_every_event_is_released_once(docs: Path) -> None:
    assert len(list((docs / "schemas" / "events").iterdir())) == len(Landscape(current()).events)
    assert topology("--release") == "Every event, every interface and every saga is released as it is.\n"


def test_an_event_that_is_not_released_fails_the_check(docs: Path) -> None:
    stored(docs, "order.placed.v1").unlink()

    with pytest.raises(CommandError, match=r"order.placed.v1 #: new event type\nRun: make release-schemas") as refusal:
        topology("--check")

    assert refusal.value.returncode == 1
    assert topology("--release") == "docs/schemas/events/order.placed.v1.json written\n"
    assert "up to date" in topology("--check")


def test_a_compatible_change_fails_the_check_until_it_is_released(docs: Path) -> None:
    edit(stored(docs, "order.placed.v1"), lambda class_: class_.update(description="Long ago."))

    with pytest.raises(CommandError, match=r"documentation changed\nRun: make release-schemas"):
        topology("--check")

    topology("--release")
    assert "up to date" in topology("--check")


@pytest.mark.parametrize("option", ["--check", "--release"])
def test_an_incompatible_change_is_refused_with_event_place_and_rule(docs: Path, option: str) -> None:
    path = stored(docs, "order.placed.v1")
    edit(path, lambda class_: class_["properties"].update(note={"type": "string"}))
    before = path.read_text()

    with pytest.raises(CommandError) as refusal:
        topology(option)

    assert "order.placed.v1 #/$defs/OrderPlaced/properties/note: field removed" in str(refusal.value)
    assert "make a new version of the type and an upcaster" in str(refusal.value)
    assert refusal.value.returncode == 1
    assert path.read_text() == before


@pytest.mark.parametrize("option", ["--check", "--release"])
def test_a_type_without_a_class_is_refused(docs: Path, option: str) -> None:
    stored(docs, "order.lost.v1").write_text(stored(docs, "order.placed.v1").read_text())

    with pytest.raises(CommandError, match="order.lost.v1 #: no class has this type any more"):
        topology(option)


def test_a_saga_that_is_not_released_fails_the_check(docs: Path) -> None:
    (docs / "schemas" / "sagas" / "CREATE_ORDER.v1.json").unlink()

    with pytest.raises(CommandError, match=r"CREATE_ORDER.v1: new step list\nRun: make release-schemas"):
        topology("--check")

    assert topology("--release") == "docs/schemas/sagas/CREATE_ORDER.v1.json written\n"
    assert "up to date" in topology("--check")


@pytest.mark.parametrize("option", ["--check", "--release"])
def test_another_step_list_under_a_released_version_is_refused(docs: Path, option: str) -> None:
    path = docs / "schemas" / "sagas" / "CREATE_ORDER.v1.json"
    path.write_text(path.read_text().replace("process_payment", "charge"))
    unreleased = stored(docs, "order.placed.v1")
    unreleased.unlink()

    with pytest.raises(CommandError) as refusal:
        topology(option)

    assert "CREATE_ORDER.v1 step 4: was charge (do, undo), is process_payment (do, undo)" in str(refusal.value)
    assert "keep the old definition registered while instances of it live" in str(refusal.value)
    assert not unreleased.exists()


def test_everything_that_is_wrong_is_told_at_once(docs: Path) -> None:
    (docs / "events.md").unlink()
    stored(docs, "order.placed.v1").unlink()
    edit(stored(docs, "order.shipped.v1"), lambda class_: class_["required"].remove("carrier"))

    with pytest.raises(CommandError) as refusal:
        topology("--check")

    for part in ("field newly required", "make release-schemas", "make docs"):
        assert part in str(refusal.value)


def test_a_process_with_some_contexts_does_not_know_enough(settings: Any) -> None:
    first, *others = current().contexts
    settings.TOPOLOGY = Topology((replace(first, local=False), *others))

    with pytest.raises(CommandError, match="CONTEXTS"):
        topology("--check")
