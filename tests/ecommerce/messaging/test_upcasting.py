from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ecommerce import codec
from ecommerce.messaging import upcasting
from ecommerce.messaging.upcasting import superseded, upcast, upcaster, with_older


@dataclass(frozen=True, kw_only=True)
class SentV2:
    type: ClassVar[str] = "post.sent.v2"

    number: str
    pieces: int = 1


@dataclass(frozen=True, kw_only=True)
class Sent:
    type: ClassVar[str] = "post.sent.v3"

    number: str
    pieces: int
    carrier: str


def second(data: dict[str, Any]) -> dict[str, Any]:
    return {"number": str(data.pop("no")), **data}


def third(data: dict[str, Any]) -> dict[str, Any]:
    return {"pieces": 1, "carrier": "unknown", **data}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of two upcasters, and no others."""
    monkeypatch.setattr(upcasting, "_upcasters", {})
    upcaster(from_type="post.sent.v1", to=SentV2)(second)
    upcaster(from_type="post.sent.v2", to=Sent)(third)


def test_a_chain_is_followed_to_the_type_that_is_handled() -> None:
    type_, data = upcast("post.sent.v1", b'{"no": 7, "carrier": "Correios"}', handled={Sent.type})

    assert type_ == "post.sent.v3"
    assert codec.decode(data, Sent) == Sent(number="7", pieces=1, carrier="Correios")


def test_a_chain_ends_at_the_first_type_that_is_handled() -> None:
    type_, data = upcast("post.sent.v1", b'{"no": 7}', handled={SentV2.type, Sent.type})

    assert (type_, json.loads(data)) == ("post.sent.v2", {"number": "7"})


def test_numbers_lists_and_texts_come_through_as_they_are() -> None:
    body = {"number": "ação", "price": {"amount": "10.00"}, "weights": [1, 2.5, None, True]}

    _, data = upcast("post.sent.v2", json.dumps(body).encode(), handled={Sent.type})

    assert json.loads(data) == {"pieces": 1, "carrier": "unknown", **body}


@pytest.mark.parametrize(
    ("type_", "handled"),
    [
        ("post.sent.v1", {"post.sent.v1", "post.sent.v3"}),
        ("post.sent.v3", {"post.sent.v3"}),
        ("post.sent.v2", {"post.sent.v1"}),
        ("post.lost.v1", {"post.sent.v3"}),
        ("post.sent.v1", set()),
    ],
    ids=["handled itself", "newest", "only an older one is handled", "unknown", "nothing is handled"],
)
def test_what_needs_or_has_no_way_forward_is_left_untouched(type_: str, handled: set[str]) -> None:
    assert upcast(type_, b"not even JSON", handled=handled) == (type_, b"not even JSON")


@pytest.mark.parametrize("data", [b"not even JSON", b"[1]", b'"text"'])
def test_a_body_that_is_no_object_is_undecodable(data: bytes) -> None:
    with pytest.raises(codec.Undecodable):
        upcast("post.sent.v1", data, handled={Sent.type})


def test_an_upcaster_that_fails_makes_the_body_undecodable() -> None:
    with pytest.raises(codec.Undecodable, match=r"from post.sent.v1 to post.sent.v2: KeyError\('no'\)"):
        upcast("post.sent.v1", b"{}", handled={Sent.type})


@pytest.mark.parametrize("target", ["post.sent.v1", "post.sent.v2", "post.sent.v3"])
def test_a_loop_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="closes a loop"):
        upcaster(from_type="post.sent.v3", to=type("Target", (), {"type": target}))(third)

    assert superseded() == {"post.sent.v1", "post.sent.v2"}


def test_a_type_has_one_upcaster() -> None:
    with pytest.raises(ValueError, match=r"post\.sent\.v1 has two upcasters"):
        upcaster(from_type="post.sent.v1", to=Sent)(third)


def test_a_module_may_be_imported_again() -> None:
    upcaster(from_type="post.sent.v1", to=SentV2)(second)

    assert upcast("post.sent.v1", b'{"no": 7}', handled={SentV2.type})[0] == "post.sent.v2"


def test_a_function_is_still_itself_after_it_was_registered() -> None:
    assert upcaster(from_type="post.sent.v1", to=SentV2)(second) is second


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["post.sent.v3"], {"post.sent.v1", "post.sent.v2", "post.sent.v3"}),
        (["post.sent.v2"], {"post.sent.v1", "post.sent.v2"}),
        (["post.sent.v1"], {"post.sent.v1"}),
        (["post.lost.v1"], {"post.lost.v1"}),
        ([], set()),
    ],
    ids=["newest", "middle", "oldest", "another", "none"],
)
def test_older_versions_belong_to_the_types_they_lead_to(types: list[str], expected: set[str]) -> None:
    assert with_older(types) == expected
