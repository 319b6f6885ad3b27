"""Every method of every interface answers over HTTP what it answers in the process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Union, get_origin, get_type_hints
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecommerce.calls import providers
from ecommerce.calls.client import connect
from ecommerce.calls.operation import Operation, operations
from ecommerce.errors import DomainError, TooMany, Unavailable
from ecommerce.money import Money
from tests.architecture.test_calls import INTERFACES
from tests.architecture.values import values
from tests.ecommerce.calls.servers import Application

OPERATIONS = [each for interface in INTERFACES for each in operations(interface).values()]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
LIMITED = [
    (each, name)
    for each in OPERATIONS
    for name, hint in get_type_hints(each.arguments).items()
    if getattr(hint, "__origin__", None) is not None and name in each.checks
]


class Recorder:
    """Answers any method with ``answer``, or raises it."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.arguments: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(**arguments: Any) -> Any:
            self.arguments.append(arguments)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return method


@contextmanager
def answering(operation: Operation) -> Iterator[Recorder]:
    before, recorder = providers._providers[operation.interface], Recorder()
    providers._providers[operation.interface] = recorder
    try:
        yield recorder
    finally:
        providers._providers[operation.interface] = before


SIMPLEST: dict[Any, Any] = {
    str: "", int: 1, bool: False, UUID: UUID(int=7), datetime: datetime(2026, 11, 28, tzinfo=UTC),
    Money: Money("9.90"), type(None): None,
}  # fmt: skip


def simplest(hint: Any) -> Any:
    """Return a plain value of a type that travels."""
    if hint in SIMPLEST:
        return SIMPLEST[hint]
    if get_origin(hint) in (list, Sequence, dict):
        return {} if get_origin(hint) is dict else []
    if get_origin(hint) in (Union, UnionType):
        return None
    hints = get_type_hints(hint)
    return hint(**{field.name: simplest(hints[field.name]) for field in fields(hint)})


def example(operation: Operation) -> dict[str, Any]:
    return {name: simplest(hint) for name, hint in get_type_hints(operation.arguments).items()}


@each_operation
@hypothesis_settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_arguments_and_results_are_the_same(
    operation: Operation, data: st.DataObject, application: Application
) -> None:
    hints = get_type_hints(getattr(operation.interface, operation.name))
    given = {name: data.draw(values(hint), label=name) for name, hint in hints.items() if name != "return"}
    with answering(operation) as recorder:
        recorder.answer = data.draw(values(hints["return"]), label="result")

        returned = getattr(connect(operation.interface), operation.name)(**given)

    assert returned == recorder.answer
    assert recorder.arguments == [given]
    assert application.requests[-1] == operation.path


@each_operation
def test_errors_are_the_same(operation: Operation, application: Application, at: Callable[[str], None]) -> None:
    method, given = getattr(connect(operation.interface), operation.name), example(operation)
    for class_ in operation.errors.values():
        with answering(operation) as recorder:
            told = []
            for url in (application.url, ""):
                recorder.answer = class_("Não.", ids=[uuid4()], total=Money("9.90"), limit=3)
                at(url)
                with pytest.raises(DomainError) as raised:
                    method(**given)
                told.append(raised.value)
        over_http, here = told

        assert type(over_http) is type(here) is class_
        assert (over_http.code, over_http.detail) == (here.code, here.detail)
        assert over_http.params.keys() == here.params.keys()
        assert over_http.params["total"] == here.params["total"] == {"amount": "9.90", "currency": "BRL"}


@pytest.mark.parametrize("operation", OPERATIONS[:1], ids=str)
def test_a_crash_is_the_same(operation: Operation, application: Application, at: Callable[[str], None]) -> None:
    told = []
    with answering(operation) as recorder:
        recorder.answer = ValueError("secret")
        for url in (application.url, ""):
            at(url)
            with pytest.raises(Unavailable) as raised:
                getattr(connect(operation.interface), operation.name)(**example(operation))
            told.append((type(raised.value), raised.value.code, raised.value.detail, raised.value.params))

    assert told[0] == told[1]
    assert "secret" not in told[0][2]


@each_operation
def test_what_may_be_left_out_has_the_same_default(operation: Operation, application: Application) -> None:
    parameters = inspect.signature(getattr(operation.interface, operation.name)).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    given = {name: value for name, value in example(operation).items() if name not in defaults}
    with answering(operation) as recorder:
        recorder.answer = simplest(get_type_hints(getattr(operation.interface, operation.name))["return"])
        getattr(connect(operation.interface), operation.name)(**given)

    assert recorder.arguments == [{**given, **defaults}]


@pytest.mark.parametrize("over_http", [True, False], ids=["over http", "in the process"])
@pytest.mark.parametrize(("operation", "name"), LIMITED, ids=lambda each: str(each))
def test_one_item_too_many_is_refused(
    operation: Operation, name: str, over_http: bool, application: Application, at: Callable[[str], None]
) -> None:
    at(application.url if over_http else "")
    with answering(operation) as recorder, pytest.raises(TooMany) as refusal:
        getattr(connect(operation.interface), operation.name)(**{**example(operation), name: [uuid4()] * 1000})

    assert refusal.value.params["argument"] == name
    assert (recorder.arguments, application.requests) == ([], [])
