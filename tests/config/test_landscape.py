from __future__ import annotations

import pytest

from config.landscape import Landscape, OfferedMethod, PublishedEvent, read
from ecommerce.messaging.upcasting import superseded
from ecommerce.topology import current

SOURCE = """
catalog = connect(CatalogInterface)
prices = {}

def show(ids):
    return catalog.get_variants(ids=ids), prices.get(1), Shown(at=now())
"""


@pytest.fixture(scope="module")
def landscape() -> Landscape:
    return Landscape(current())


def of(found: list[PublishedEvent], type_: str) -> PublishedEvent:
    return next(each for each in found if each.event.type == type_)


def method(landscape: Landscape, interface: str, name: str) -> OfferedMethod:
    return next(each for each in landscape.methods if (each.interface.__name__, each.name) == (interface, name))


def test_calls_are_found_by_the_name_of_the_connection() -> None:
    source = read(SOURCE)

    assert source.calls == {("CatalogInterface", "get_variants")}
    assert {"connect", "Shown", "now"} == source.called


def test_an_event_has_publishers_and_handlers(landscape: Landscape) -> None:
    abandoned = of(landscape.events, "cart.abandoned.v1")

    assert abandoned.publishers == ["cart.usecases.abandonment"]
    assert [handler.name for handler in abandoned.handlers] == ["notification.remind_of_cart"]


def test_a_method_has_callers(landscape: Landscape) -> None:
    assert "cart.usecases.offers" in method(landscape, "CatalogInterface", "get_variants").callers


def test_every_event_is_published_by_its_own_context_only(landscape: Landscape) -> None:
    for each in landscape.events:
        expected = set() if each.event.type in superseded() else {each.context}
        assert {module.partition(".")[0] for module in each.publishers} == expected, each.event.type


def test_every_method_of_an_interface_is_called_by_another_context(landscape: Landscape) -> None:
    for each in landscape.methods:
        assert {module.partition(".")[0] for module in each.callers} - {each.context}, f"{each.interface} {each.name}"
