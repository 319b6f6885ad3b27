"""The suite itself runs in the serialised shape: what contexts tell each other goes through the codec."""

from __future__ import annotations

import os
from typing import Any

import pytest

from contexts.catalog.interface import CatalogInterface, Variant
from contexts.catalog.provider import CatalogProvider
from ecommerce.calls import connect
from ecommerce.ids import new_id
from ecommerce.testing import provide
from tests.e2e.stack import Shape, shape_environment


class Shelf(CatalogProvider):
    """Answers with a kind of list that does not survive being sent."""

    def get_variants(self, *, ids: Any) -> Any:
        self.asked = type(ids)
        return ()


@pytest.mark.skipif("CALLS_ROUND_TRIP" in os.environ, reason="somebody has chosen")
def test_no_call_of_the_suite_stays_in_the_memory_of_its_caller() -> None:
    shelf = Shelf()
    with provide(CatalogInterface, shelf):
        answer: list[Variant] = connect(CatalogInterface).get_variants(ids=(new_id(),))

    assert (shelf.asked, type(answer)) == (list, list)


def test_an_installation_can_be_serialised_too() -> None:
    assert shape_environment(Shape.SERIALISED) == {"CALLS_ROUND_TRIP": "1"}
    assert shape_environment(Shape.ONE) == {}
