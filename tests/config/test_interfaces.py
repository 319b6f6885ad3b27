"""The gate of the interfaces: planted changes, each with what it is taken for."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from config.interfaces import RULE, gate, gate_of, promise, promises, release
from config.landscape import Landscape
from config.releases import Incompatible, text
from config.settings.calls import SERVICE_GRANTS, called_by
from ecommerce.calls.operation import operations
from ecommerce.contract import AtMost, operation
from ecommerce.errors import Conflict, Kind
from ecommerce.topology import current

METHODS = Landscape(current()).methods


class Lost(Conflict):
    code = "lost"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    id: UUID
    weight: int


@dataclass(frozen=True, kw_only=True)
class ParcelByCarrier:
    id: UUID
    weight: int
    carrier: str = ""


@dataclass(frozen=True, kw_only=True)
class ParcelWithoutWeight:
    id: UUID


@dataclass(frozen=True, kw_only=True)
class ParcelWithNewFact:
    id: UUID
    weight: int
    carrier: str


class Released(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[Parcel]: ...


class OtherTime(ABC):
    @operation("post:read", idempotent=True, timeout=9)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[Parcel]: ...


class MoreMethods(Released):
    @operation("post:write", idempotent=False, timeout=2)
    @abstractmethod
    def send(self, *, parcel: Parcel) -> None: ...


class OptionalArgument(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)], lost: bool = False) -> list[Parcel]: ...


class RequiredArgument(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)], lost: bool) -> list[Parcel]: ...


class NoArgument(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self) -> list[Parcel]: ...


class OtherType(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[str], AtMost(20)]) -> list[Parcel]: ...


class Narrower(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(19)]) -> list[Parcel]: ...


class Wider(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(21)]) -> list[Parcel]: ...


class NewField(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[ParcelByCarrier]: ...


class NewFact(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[ParcelWithNewFact]: ...


class LostField(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[ParcelWithoutWeight]: ...


class NotIdempotent(ABC):
    @operation("post:read", idempotent=False, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[Parcel]: ...


class OtherScope(ABC):
    @operation("post:all", idempotent=True, timeout=2)
    @abstractmethod
    def find(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[Parcel]: ...


class Removed(ABC):
    @operation("post:read", idempotent=True, timeout=2)
    @abstractmethod
    def seek(self, *, ids: Annotated[Sequence[UUID], AtMost(20)]) -> list[Parcel]: ...


REFUSED: dict[type[Any], str] = {
    Removed: "post #/methods/find: method removed",
    RequiredArgument: "find/arguments/$defs/Released_find/properties/lost: required field added",
    NoArgument: "find/arguments/$defs/Released_find/properties/ids: field removed",
    OtherType: "find/arguments/$defs/Released_find/properties/ids/items/format: format removed",
    Narrower: "find/arguments/$defs/Released_find/properties/ids/maxItems: maxItems changed from 20 to 19",
    LostField: "find/result/$defs/Parcel/properties/weight: field removed",
    NewFact: "find/result/$defs/Parcel/properties/carrier: required field added",
    NotIdempotent: "find/idempotent: no longer idempotent, while released callers repeat it",
    OtherScope: "find/scope: scope changed from post:read to post:all",
}
FINE: dict[type[Any], str] = {
    MoreMethods: "post #/methods/send: method added",
    OptionalArgument: "find/arguments/$defs/Released_find/properties/lost: optional field added",
    Wider: "find/arguments/$defs/Released_find/properties/ids/maxItems: limit raised from 20 to 21",
    NewField: "find/result/$defs/Parcel/properties/carrier: optional field added",
}


def promised(interface: type[Any]) -> dict[str, dict[str, Any]]:
    names = [name for class_ in reversed(interface.__mro__[:-2]) for name in vars(class_)]
    known = operations(Released) | operations(interface) if interface is MoreMethods else operations(interface)
    return {"post": promise("post", [known[name] for name in names if name in known])}


@pytest.fixture
def released(tmp_path: Path) -> Path:
    (tmp_path / "post.json").write_text(text(promised(Released)["post"]))
    return tmp_path


def test_what_is_released_passes(released: Path) -> None:
    result = gate_of(promised(Released), released)

    assert (result.refusal, result.reminder) == ("", "")


@pytest.mark.parametrize("interface", REFUSED, ids=lambda each: each.__name__)
def test_an_incompatible_change_is_refused_with_place_and_rule(interface: type[Any], released: Path) -> None:
    refusal = gate_of(promised(interface), released).refusal

    assert REFUSED[interface] in refusal
    assert refusal.endswith(f"Rule: {RULE}.")


@pytest.mark.parametrize("interface", FINE, ids=lambda each: each.__name__)
def test_a_compatible_change_waits_for_its_release(interface: type[Any], released: Path) -> None:
    result = gate_of(promised(interface), released)

    assert result.refusal == ""
    assert FINE[interface] in result.reminder
    assert result.reminder.endswith("Run: make release-schemas")


def test_how_long_a_method_may_take_is_no_promise(released: Path) -> None:
    assert gate_of(promised(OtherTime), released).refusal == ""
    assert "OtherTime" not in gate_of(promised(OtherTime), released).refusal


def test_becoming_idempotent_is_fine_and_errors_come_and_go_but_keep_their_kind(released: Path) -> None:
    before = promised(NotIdempotent)
    (released / "post.json").write_text(text(before["post"]))
    assert "became idempotent" in gate_of(promised(Released), released).reminder

    known = promised(Released)
    known["post"]["methods"]["find"]["errors"] = {"lost": Kind.NOT_FOUND.value}
    (released / "post.json").write_text(text(known["post"]))
    assert "errors/lost: kind changed from not_found to conflict" in gate_of(promised(Released), released).refusal
    del known["post"]["methods"]["find"]["errors"]["lost"]
    (released / "post.json").write_text(text(known["post"]))
    assert "errors/lost: error added" in gate_of(promised(Released), released).reminder


def test_a_context_whose_interface_vanished_is_refused(released: Path) -> None:
    assert "post #: it has no interface any more" in gate_of({}, released).refusal


def test_a_refusal_writes_nothing(released: Path) -> None:
    before = (released / "post.json").read_text()
    with pytest.raises(Incompatible, match="post"):
        release(METHODS, released)

    assert [path.name for path in released.iterdir()] == ["post.json"]
    assert (released / "post.json").read_text() == before


def test_new_interfaces_are_released_once(tmp_path: Path) -> None:
    assert release(METHODS, tmp_path / "interfaces") == ["identity", "catalog", "cart", "order", "promotion"]
    assert release(METHODS, tmp_path / "interfaces") == []


def test_the_interfaces_of_this_code_are_as_released() -> None:
    result = gate(METHODS, settings.BASE_DIR / "docs" / "schemas" / "interfaces")

    assert (result.refusal, result.reminder) == ("", "")


def test_what_is_released_are_json_schemas() -> None:
    for promised in promises(METHODS).values():
        assert json.loads(text(promised)) == promised
        for method in promised["methods"].values():
            Draft202012Validator.check_schema(method["arguments"])
            Draft202012Validator.check_schema(method["result"])


def test_a_limit_within_an_argument_is_released_with_it() -> None:
    quote = promises(METHODS)["promotion"]["methods"]["quote"]

    assert quote["arguments"]["$defs"]["Basket"]["properties"]["lines"]["maxItems"] == 200


def test_services_are_granted_what_their_contexts_call_and_nothing_else() -> None:
    needed: dict[str, set[str]] = {}
    for method in METHODS:
        for caller in method.callers:
            needed.setdefault(caller.partition(".")[0], set()).add(method.terms.scope)

    assert {context: set(scopes) for context, scopes in SERVICE_GRANTS.items()} == needed
    assert called_by(["cart"]) == {"catalog", "promotion"}
