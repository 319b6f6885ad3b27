from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.landscape import Landscape
from config.releases import Incompatible
from config.step_lists import RULE, gate, release
from ecommerce.saga.definition import Retry, Saga, SagaState, Step
from ecommerce.topology import current


def act(saga: SagaState) -> None: ...


WRITE, PACK, SEND = Step("write"), Step("pack", do=act, undo=act), Step("send", do=act)
POST = Saga("POST", steps=(WRITE, PACK, SEND))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A directory in which version 1 of ``POST`` is released."""
    release([POST], tmp_path / "sagas")
    return tmp_path / "sagas"


def test_what_was_released_is_as_released(released: Path) -> None:
    compared = gate([POST], released)
    assert (compared.refusal, compared.reminder) == ("", "")
    assert release([POST], released) == []


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((WRITE, SEND), "POST.v1 step 2: was pack (do, undo), is send (do)"),
        ((WRITE, SEND, PACK), "POST.v1 step 3: was send (do), is pack (do, undo)"),
        ((WRITE, PACK, SEND, Step("tell", do=act)), "POST.v1 step 4: was none, is tell (do)"),
        ((WRITE, replace(PACK, name="box"), SEND), "was pack (do, undo), is box (do, undo)"),
        ((WRITE, replace(PACK, undo=None), SEND), "was pack (do, undo), is pack (do)"),
        ((WRITE, PACK, replace(SEND, final=True)), "was send (do), is send (do, final)"),
        ((WRITE, replace(PACK, when=lambda data: True), SEND), "is pack (do, undo, conditional)"),
        ((replace(WRITE, do=act), PACK, SEND), "was write (done by the start), is write (do)"),
    ],
)
def test_another_step_list_under_a_released_version_is_refused_with_the_rule(
    released: Path, steps: tuple[Step, ...], told: str
) -> None:
    before = {path: path.read_text() for path in released.iterdir()}

    with pytest.raises(Incompatible) as refusal:
        release([Saga("POST", steps=steps), Saga("NEW", steps=steps)], released)

    assert told in str(refusal.value)
    assert RULE in str(refusal.value)
    assert {path: path.read_text() for path in released.iterdir()} == before


def test_how_often_and_how_long_a_step_is_tried_may_change(released: Path) -> None:
    patient = replace(PACK, retry=Retry(attempts=9), within=timedelta(minutes=9))
    compared = gate([Saga("POST", steps=(WRITE, patient, SEND))], released)
    assert (compared.refusal, compared.reminder) == ("", "")


def test_a_new_version_is_released_beside_the_old_one(released: Path) -> None:
    both = [POST, Saga("POST", steps=(WRITE, SEND), version=2)]
    assert "POST.v2: new step list\nRun: make release-schemas" in gate(both, released).reminder
    assert release(both, released) == ["POST.v2"]
    assert sorted(path.name for path in released.iterdir()) == ["POST.v1.json", "POST.v2.json"]
    assert gate(both, released).reminder == ""


def test_the_old_definition_must_stay_for_as_long_as_its_file(released: Path) -> None:
    new = [Saga("POST", steps=(WRITE, SEND), version=2)]
    assert "POST.v1: not registered any more" in gate(new, released).refusal
    (released / "POST.v1.json").unlink()
    assert gate(new, released).refusal == ""


def test_every_saga_of_the_shop_is_released() -> None:
    released = Path(__file__).parents[2] / "docs" / "schemas" / "sagas"
    compared = gate(Landscape(current()).sagas, released)
    assert (compared.refusal, compared.reminder) == ("", "")
