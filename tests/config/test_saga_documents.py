from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from config.landscape import Landscape, read
from config.saga_documents import _chapter, saga_catalogue
from ecommerce.saga import definition
from ecommerce.saga.definition import Retry, Saga, SagaState, Step, Wait
from ecommerce.topology import current

SOURCE = """
from contexts.catalog.interface import CatalogInterface
from contexts.order.usecases.pay import charge_order
from elsewhere import helper

catalog = connect(CatalogInterface)

def reserve(saga):
    helper(charge_order(lines=_lines()), catalog.reserve_stock(), catalog.reserve_stock())

def _lines():
    return catalog.get_variants()

def other(saga):
    other(saga)
"""


@pytest.fixture
def landscape() -> Landscape:
    return Landscape(current())


def wait(saga: SagaState) -> Wait | None:
    """Wait for it.

    And more of it.
    """


def act(saga: SagaState) -> Mapping[str, Any] | None: ...


def wanted(data: Mapping[str, Any]) -> bool:
    return True


@pytest.fixture
def told(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is written of a saga of these steps."""
    monkeypatch.setattr(Landscape, "calls_of", lambda self, function: ["order.act"])
    monkeypatch.setattr(definition, "_sagas", {})
    monkeypatch.setattr(definition, "_newest", {})
    return lambda *steps: list(_chapter(landscape, definition.register(Saga("TOY", steps=steps))))


def test_a_function_calls_what_its_helpers_call_each_once() -> None:
    source = read(SOURCE)
    assert set(source.calls_of("reserve")) == {"order.charge_order", "catalog.reserve_stock", "catalog.get_variants"}
    assert len(source.calls_of("reserve")) == 3
    assert source.calls_of("other") == source.calls_of("unknown") == []


def test_the_diagram_goes_down_by_do_and_up_by_undo(told: Any) -> None:
    _, diagram, _ = told(Step("write", undo=act), Step("pack", do=wait, undo=act, when=wanted), Step("send", do=act))
    for line in (
        'do0("write") --> do1',
        'do1["pack<br/>if wanted"] --> do2',
        "do1 -.-> wait1",
        'do2["send"] --> completed',
        'undo0["pack"] --> undo1',
        'undo1["write"] --> compensated',
        'do -. "refused or given up" .-> undo',
        "style do1 stroke-dasharray: 4",
    ):
        assert line in diagram
    assert "wait0" not in diagram
    assert "PARKED" not in diagram


def test_behind_a_final_step_there_is_no_way_back(told: Any) -> None:
    _, diagram, _ = told(Step("write"), Step("refund", do=act, final=True))
    assert 'do1[["refund"]] --> completed' in diagram
    assert 'do1 -. "given up" .-> parked' in diagram
    assert "undo" not in diagram


def test_the_table_tells_what_steps_say_call_and_how_often_they_are_tried(told: Any) -> None:
    policy = Retry(attempts=3, undo_attempts=5, longest_pause=timedelta(minutes=1))
    *_, table = told(Step("write"), Step("pack", do=wait, undo=act, retry=policy, within=timedelta(seconds=90)))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert rows == [
        ["`write`", "done by the transaction that starts the saga", "–", "–", "–", "–"],
        [
            "`pack`", "Wait for it", "`order.act`", "`act`", "`order.act`",
            "3 times, undo attempts 5, longest pause 60 s, within 90 s",
        ],
    ]  # fmt: skip


def test_an_old_version_says_that_it_is_one(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    old = definition.definition("CREATE_ORDER")
    monkeypatch.setattr(definition, "_sagas", {**definition._sagas})
    monkeypatch.setattr(definition, "_newest", {**definition._newest})
    definition.register(replace(old, version=old.version + 1))
    text = saga_catalogue(landscape)
    assert f"## CREATE_ORDER, version {old.version}, for instances that began with it" in text
    assert f"## CREATE_ORDER, version {old.version + 1}\n" in text


def test_the_sagas_of_the_shop_name_the_contexts_they_call(landscape: Landscape) -> None:
    text = saga_catalogue(landscape)
    for part in ("`catalog.reserve_stock`", "`promotion.redeem`", "`order.charge_order`, `cart.convert`"):
        assert part in text
