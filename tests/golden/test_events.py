"""Events as they were published once: each must still be read, and lose nothing when it is written again.

``events/<type>.json`` holds headers and body as they travelled, and what the body said then, field by field. A second
body of the same type is ``events/<type>.<what is special>.json``. Nothing in these files is ever changed.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from config.landscape import Landscape
from ecommerce import codec
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.upcasting import superseded, upcast
from ecommerce.topology import current

DIRECTORY = Path(__file__).parent / "events"
FILES = sorted(DIRECTORY.glob("*.json"))
CLASSES: dict[str, type[Any]] = {each.event.type: each.event for each in Landscape(current()).events}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def stored(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def envelope(path: Path) -> Envelope:
    return Envelope.from_headers(stored(path)["headers"])


def decoded(path: Path) -> Any:
    return codec.decode(json.dumps(stored(path)["body"]), CLASSES[envelope(path).type])


def told(value: Any) -> Any:
    """Return what a value says, without the names of classes: they may change."""
    if is_dataclass(value):
        return {field.name: told(getattr(value, field.name)) for field in fields(value)}
    return [told(each) for each in value] if isinstance(value, list) else repr(value)


def missing(expected: Any, found: Any, place: str = "") -> list[str]:
    """Return the places where ``found`` is not what was expected; what it has besides is newer."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [line for name, value in expected.items() for line in missing(value, found.get(name), f"{place}/{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for number, (old, new) in pairs for line in missing(old, new, f"{place}/{number}")]
    return [] if expected == found else [f"{place}: {found!r}, and it was {expected!r}"]


@each_file
def test_a_body_published_once_is_read_as_it_was_meant(path: Path) -> None:
    event = decoded(path)

    assert missing(stored(path)["decoded"], told(event)) == []


@each_file
def test_fields_that_came_later_have_their_defaults(path: Path) -> None:
    event = decoded(path)

    for field in fields(event):
        if field.name not in stored(path)["body"]:
            default = field.default if field.default_factory is MISSING else field.default_factory()
            assert getattr(event, field.name) == default


@each_file
def test_writing_it_again_loses_nothing(path: Path) -> None:
    assert missing(stored(path)["body"], json.loads(codec.encode(decoded(path)))) == []


@each_file
def test_its_envelope_is_read_and_written_as_it_was(path: Path) -> None:
    assert envelope(path).headers() == stored(path)["headers"]


@each_file
def test_a_file_is_named_after_the_type_in_its_envelope(path: Path) -> None:
    type_ = envelope(path).type

    assert path.stem == type_ or path.stem.startswith(f"{type_}.")
    assert envelope(path).source == f"/contexts/{type_.partition('.')[0]}"


@each_file
def test_its_upcasters_bring_it_to_the_version_of_today(path: Path) -> None:
    newest = CLASSES.keys() - superseded()

    type_, data = upcast(envelope(path).type, json.dumps(stored(path)["body"]).encode(), handled=newest)

    assert codec.decode(data, CLASSES[type_])
    assert type_ in newest


@pytest.mark.parametrize("type_", CLASSES)
def test_every_event_has_a_golden_file(type_: str) -> None:
    assert (DIRECTORY / f"{type_}.json").exists(), f"store one body of {type_} in {DIRECTORY}"


def test_what_got_lost_is_noticed() -> None:
    expected = {"total": {"amount": "Decimal('1.00')"}, "lines": [{"quantity": "2"}], "gone": "'x'"}
    found = {"total": {"amount": "Decimal('1.0')", "new": "None"}, "lines": [{"quantity": "3"}]}

    assert [line.partition(":")[0] for line in missing(expected, found)] == [
        "/total/amount",
        "/lines/0/quantity",
        "/gone",
    ]
