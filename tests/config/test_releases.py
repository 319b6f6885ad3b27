from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from config.landscape import Landscape
from config.releases import RULE, Incompatible, gate, release, schema, text
from ecommerce.topology import current

EVENTS = [each.event for each in Landscape(current()).events]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A parcel left."""

    type: ClassVar[str] = "post.sent.v1"

    number: str


@dataclass(frozen=True, kw_only=True)
class SentByCarrier:
    """A parcel left."""

    type: ClassVar[str] = "post.sent.v1"

    number: str
    carrier: str = ""


@dataclass(frozen=True, kw_only=True)
class SentInPieces:
    """A parcel left."""

    type: ClassVar[str] = "post.sent.v1"

    number: int
    pieces: int


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A parcel is not to be found."""

    type: ClassVar[str] = "post.lost.v1"

    number: str


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A directory in which ``post.sent.v1`` is released."""
    release([Sent], tmp_path / "events")
    return tmp_path / "events"


def files(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_a_released_schema_is_pretty_and_sorted(released: Path) -> None:
    written = (released / "post.sent.v1.json").read_text()

    assert written == json.dumps(json.loads(written), indent=2, sort_keys=True) + "\n"
    assert json.loads(written) == schema(Sent)


def test_what_is_released_passes(released: Path) -> None:
    result = gate([Sent], released)

    assert (result.refusal, result.reminder) == ("", "")
    assert release([Sent], released) == []


def test_a_new_type_waits_for_its_release(released: Path) -> None:
    assert gate([Sent, Lost], released).reminder == (
        "Not released yet:\n  post.lost.v1 #: new event type\nRun: make release-schemas"
    )
    assert release([Sent, Lost], released) == ["post.lost.v1"]
    assert files(released).keys() == {"post.lost.v1.json", "post.sent.v1.json"}


def test_without_a_directory_everything_is_new(tmp_path: Path) -> None:
    result = gate([Sent, Lost], tmp_path / "nothing")

    assert list(result.unreleased) == ["post.sent.v1", "post.lost.v1"]
    assert result.refusal == ""


def test_a_compatible_change_waits_for_its_release(released: Path) -> None:
    result = gate([SentByCarrier], released)

    assert "post.sent.v1 #/$defs/Sent/properties/carrier: optional field added" in result.reminder
    assert result.reminder.endswith("Run: make release-schemas")
    assert release([SentByCarrier], released) == ["post.sent.v1"]
    assert gate([SentByCarrier], released).reminder == ""


def test_another_order_of_fields_waits_for_its_release(released: Path) -> None:
    path = released / "post.sent.v1.json"
    stored = schema(SentInPieces)
    stored["$defs"]["SentInPieces"]["required"].reverse()
    path.write_text(text(stored))

    assert "post.sent.v1 #: written in another order" in gate([SentInPieces], released).reminder


def test_a_default_that_only_compares_equal_is_another_one(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = schema(SentByCarrier)
    stored["$defs"]["SentByCarrier"]["properties"]["carrier"]["default"] = 1
    (released / "post.sent.v1.json").write_text(text(stored))
    current = schema(SentByCarrier)
    current["$defs"]["SentByCarrier"]["properties"]["carrier"]["default"] = True

    monkeypatch.setattr("config.releases.schema", lambda event: current)

    assert stored == current
    assert "default changed from 1 to true" in gate([SentByCarrier], released).refusal


def test_an_incompatible_change_is_refused_with_event_place_and_rule(released: Path) -> None:
    refusal = gate([SentInPieces], released).refusal

    assert '  post.sent.v1 #/$defs/Sent/properties/number/type: type changed from "string" to "integer"' in refusal
    assert "  post.sent.v1 #/$defs/Sent/properties/pieces: required field added" in refusal
    assert refusal.endswith(f"Rule: {RULE}.")


def test_a_type_that_vanished_is_refused(released: Path) -> None:
    assert "  post.sent.v1 #: no class has this type any more" in gate([Lost], released).refusal


@pytest.mark.parametrize("events", [[SentInPieces, Lost], [Lost]], ids=["changed", "vanished"])
def test_a_refusal_writes_nothing(released: Path, events: list[type[Any]]) -> None:
    before = files(released)

    with pytest.raises(Incompatible, match="post.sent.v1"):
        release(events, released)

    assert files(released) == before


def test_the_events_of_this_code_are_as_released() -> None:
    result = gate(EVENTS, settings.BASE_DIR / "docs" / "schemas" / "events")

    assert (result.refusal, result.reminder) == ("", "")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_a_released_schema_is_a_json_schema_that_the_golden_bodies_match(event: type[Any]) -> None:
    stored = json.loads((settings.BASE_DIR / "docs" / "schemas" / "events" / f"{event.type}.json").read_text())
    bodies = [
        json.loads(path.read_text())["body"]
        for path in (settings.BASE_DIR / "tests" / "golden" / "events").glob(f"{event.type}.*json")
    ]

    Draft202012Validator.check_schema(stored)
    validator = Draft202012Validator(stored, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert bodies
    for body in bodies:
        validator.validate(body)
        assert not validator.is_valid({name: value for name, value in body.items() if name != next(iter(body))})
