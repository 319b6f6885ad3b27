"""Events between contexts: named, versioned, plain, impersonal, and heard by somebody."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any, ClassVar, get_type_hints

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecommerce import codec
from ecommerce.inbox.registry import handlers
from ecommerce.messaging import upcasting
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.upcasting import superseded, upcaster, with_older
from tests.architecture.values import NotPlain, values

NAMES = [context.name for context in settings.TOPOLOGY.contexts]
PERSONAL = {
    "email", "name", "phone", "cpf", "cnpj", "tax", "document", "address", "recipient", "street", "district", "city",
    "cep", "zip", "birth", "birthday", "ip", "card", "token", "password",
}  # fmt: skip
IMPERSONAL = {"product_name"}
"""Names of fields that only sound personal."""


def parts(context: str) -> list[type[Any]]:
    """Return the classes of a context's ``events.py``: events, and what they are made of."""
    module = import_module(f"contexts.{context}.events")
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    return [class_ for class_ in classes if class_.__module__ == module.__name__]


def is_event(class_: type[Any]) -> bool:
    return hasattr(class_, "type")


def personal_fields(class_: type[Any]) -> set[str]:
    """Return the fields that by their names hold personal data."""
    names = {field.name for field in fields(class_)}
    return {name for name in names - IMPERSONAL if PERSONAL & set(name.split("_"))}


def versions_beside_others(handled: set[str]) -> set[str]:
    """Return the types among those that a context handles whose later versions it handles too."""
    return {type_ for type_ in handled if type_ in with_older(handled - {type_})}


EVENTS = [(context, class_) for context in NAMES for class_ in parts(context) if is_event(class_)]
PARTS = [class_ for context in NAMES for class_ in parts(context)]
each_event = pytest.mark.parametrize(("context", "event"), EVENTS, ids=[class_.__name__ for _, class_ in EVENTS])
each_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)


@each_event
def test_an_event_has_a_subscriber_or_a_successor(context: str, event: type[Any]) -> None:
    heard = [handler.name for handler in handlers(event_type=event.type) if handler.event is event]

    assert heard or event.type in superseded()


@pytest.mark.parametrize("context", NAMES)
def test_a_context_handles_one_version_of_an_event(context: str) -> None:
    handled = {handler.event.type for handler in handlers(context=context)}

    assert versions_beside_others(handled) == set()


def test_two_versions_in_one_context_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that stays with the old version hears nothing of what is published today."""
    monkeypatch.setattr(upcasting, "_upcasters", {})
    upcaster(from_type="order.telltale.v0", to=Telltale)(dict)

    assert versions_beside_others({"order.telltale.v0", "order.telltale.v1"}) == {"order.telltale.v0"}


@each_event
def test_the_type_names_context_fact_and_version(context: str, event: type[Any]) -> None:
    """The class of an old version says so: ``OrderPlacedV1`` beside ``OrderPlaced``, which is then ``v2``."""
    name, version = re.fullmatch(r"(\w+?)(?:V(\d+))?", event.__name__).groups(default=r"[1-9]\d*")
    fact = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().removeprefix(f"{context}_")

    assert re.fullmatch(rf"{context}\.{fact}\.v{version}", event.type)
    assert re.fullmatch(r"[a-z_]+", event.aggregate)


def test_types_are_unique() -> None:
    types = [event.type for _, event in EVENTS]

    assert len(types) == len(set(types)) > 0


@each_part
def test_what_travels_is_a_frozen_dataclass_that_says_what_it_is(part: type[Any]) -> None:
    assert is_dataclass(part)
    assert part.__dataclass_params__.frozen
    assert all(field.kw_only for field in fields(part))
    if is_event(part):
        assert part.__doc__
        assert not part.__doc__.startswith(f"{part.__name__}(")  # what dataclass writes when nobody else did


@each_part
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_event_survives_the_wire(part: type[Any], data: st.DataObject) -> None:
    value = data.draw(values(part))

    assert codec.decode(codec.encode(value), part) == value


@each_event
def test_an_event_has_a_json_schema(context: str, event: type[Any]) -> None:
    schema = codec.json_schema(event)["$defs"][event.__name__]

    assert set(schema["properties"]) == {field.name for field in fields(event)}


@each_part
def test_an_event_holds_nothing_personal(part: type[Any]) -> None:
    assert personal_fields(part) == set()


@dataclass(frozen=True, kw_only=True)
class Telltale:
    type: ClassVar[str] = "order.telltale.v1"

    customer_id: str
    product_name: str
    recipient_name: str
    email: str
    tax_id: str


@dataclass(frozen=True, kw_only=True)
class Vague:
    price: float


def test_personal_fields_are_noticed() -> None:
    assert personal_fields(Telltale) == {"recipient_name", "email", "tax_id"}


def test_a_field_that_is_not_plain_is_noticed() -> None:
    with pytest.raises(NotPlain, match="float"):
        values(Vague)


@pytest.mark.parametrize("handler", handlers(), ids=lambda handler: handler.name)
def test_a_handler_takes_the_event_that_it_subscribes_to(handler: Any) -> None:
    hints = [get_type_hints(handler.function)[name] for name in inspect.signature(handler.function).parameters]
    read = [get_type_hints(handler.reading)["return"]] if handler.reading else []

    assert hints == [handler.event, Envelope, *read]
    assert handler.function.__module__ == f"contexts.{handler.context}.handlers"


def test_names_of_handlers_fit_the_inbox() -> None:
    assert handlers()
    assert all(len(handler.name) <= 120 for handler in handlers())
