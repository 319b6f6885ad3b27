"""Calls between contexts: refused inside transactions, lossless on the wire, and answered by somebody."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, get_origin, get_type_hints
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contexts.catalog.interface import CatalogInterface
from ecommerce import codec
from ecommerce.calls import CallInTransaction, connect
from ecommerce.calls.providers import provider_of
from ecommerce.contract import AtMost, terms_of
from ecommerce.errors import DomainError
from ecommerce.ids import new_id
from ecommerce.testing import provide
from ecommerce.unit_of_work import unit_of_work
from tests.architecture.values import NotPlain, values

NAMES = [context.name for context in settings.TOPOLOGY.contexts]
MODULES = [import_module(f"contexts.{name}.interface") for name in NAMES]


def own_classes(module: ModuleType) -> list[type[Any]]:
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]


INTERFACES = [class_ for module in MODULES for class_ in own_classes(module) if inspect.isabstract(class_)]
METHODS = [getattr(interface, name) for interface in INTERFACES for name in sorted(interface.__abstractmethods__)]
each_interface = pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.__name__)
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)


class UntouchedCatalog:
    """Must not be reached."""

    def get_variants(self, *, ids: list[UUID]) -> None:
        pytest.fail("the call went through")


@pytest.fixture
def call() -> Iterator[Callable[[], Any]]:
    """A call to another context."""
    catalog = connect(CatalogInterface)
    with provide(CatalogInterface, UntouchedCatalog()):
        yield lambda: catalog.get_variants(ids=[new_id()])


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_call_within_a_unit_of_work_is_refused(call: Callable[[], Any], name: str) -> None:
    with unit_of_work(name), pytest.raises(CallInTransaction, match=name):
        call()


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_call_within_any_transaction_is_refused(call: Callable[[], Any], name: str) -> None:
    with transaction.atomic(using=name), pytest.raises(CallInTransaction, match=name):
        call()


@pytest.mark.django_db(databases=["cart"])
def test_a_call_within_a_transaction_inside_a_transaction_is_refused(call: Callable[[], Any]) -> None:
    with transaction.atomic(using="cart"), transaction.atomic(using="cart"), pytest.raises(CallInTransaction):
        call()


@pytest.mark.django_db(databases=["cart"])
def test_a_call_after_the_unit_of_work_goes_through(call: Callable[[], Any]) -> None:
    with unit_of_work("cart"):
        pass

    with pytest.raises(pytest.fail.Exception, match="the call went through"):
        call()


def test_there_is_an_interface_of_every_context_that_others_call() -> None:
    assert {interface.__module__.split(".")[1] for interface in INTERFACES} == {*NAMES} - {"notification"}


def plain_signature(method: Callable[..., Any]) -> inspect.Signature:
    """The signature without limits: they stand in the interface alone."""
    signature, hints = inspect.signature(method), get_type_hints(method)
    parameters = [each.replace(annotation=hints.get(name)) for name, each in signature.parameters.items()]
    return signature.replace(parameters=parameters, return_annotation=hints["return"])


@each_interface
def test_an_interface_has_a_provider_with_its_signatures(interface: type[Any]) -> None:
    provider = type(provider_of(interface))

    assert issubclass(provider, interface)
    assert provider.__module__ == interface.__module__.replace(".interface", ".provider")
    for name in interface.__abstractmethods__:
        assert plain_signature(getattr(provider, name)) == plain_signature(getattr(interface, name)), name


@each_interface
def test_an_interface_is_small(interface: type[Any]) -> None:
    assert 1 <= len(interface.__abstractmethods__) <= 6
    assert {name for name in vars(interface) if not name.startswith("_")} == interface.__abstractmethods__


@each_method
def test_a_method_takes_keywords_and_says_what_it_does(method: Callable[..., Any]) -> None:
    this, *parameters = inspect.signature(method).parameters.values()

    assert this.name == "self"
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    assert method.__doc__


@each_method
def test_every_sequence_that_a_method_takes_has_a_limit(method: Callable[..., Any]) -> None:
    """Nothing is unbounded: a page or so many ids, never all."""
    hints = get_type_hints(method, include_extras=True)
    for name in inspect.signature(method).parameters.keys() - {"self"}:
        assert not unbounded(hints[name]), name


def unbounded(hint: Any) -> bool:
    """Whether a value of this type may hold as many items as it likes; what stands in an item is not looked at."""
    if get_origin(hint) is Annotated:
        return not any(isinstance(note, AtMost) for note in hint.__metadata__)
    if is_dataclass(hint):
        return any(map(unbounded, get_type_hints(hint, include_extras=True).values()))
    return get_origin(hint) in (list, Sequence, dict, Mapping)


@each_method
def test_the_scope_of_a_method_is_of_its_context(method: Callable[..., Any]) -> None:
    terms = terms_of(method)

    assert method.__module__ == f"contexts.{terms.context}.interface"
    assert 0 < terms.timeout <= 10


@each_method
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_arguments_and_results_survive_the_wire(method: Callable[..., Any], data: st.DataObject) -> None:
    for name, hint in get_type_hints(method).items():
        value = data.draw(values(hint), label=name)

        assert codec.round_trip(value, hint) == value


@pytest.mark.parametrize("type_", [float, Any, object, set[int], dict[int, str], list[Any], DomainError])
def test_a_type_that_does_not_survive_is_noticed(type_: Any) -> None:
    with pytest.raises(NotPlain):
        values(type_)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.split(".")[1])
def test_what_travels_is_frozen_and_what_is_raised_has_a_code_of_its_own(module: ModuleType) -> None:
    for class_ in own_classes(module):
        if is_dataclass(class_):
            assert class_.__dataclass_params__.frozen
            assert all(field.kw_only for field in fields(class_))
        elif not inspect.isabstract(class_):
            assert issubclass(class_, DomainError)
            assert "code" in vars(class_)


def test_codes_are_unique() -> None:
    codes = [class_.code for module in MODULES for class_ in own_classes(module) if issubclass(class_, DomainError)]

    assert len(codes) == len(set(codes)) > 0
