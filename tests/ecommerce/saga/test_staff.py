import pytest

from ecommerce import clock
from ecommerce.errors import Conflict, Unavailable
from ecommerce.ids import new_id
from ecommerce.saga import engine, staff
from ecommerce.saga.definition import Retry
from ecommerce.saga.history import steps_of
from ecommerce.saga.models import SagaStep
from tests.ecommerce.saga.conftest import begin, resume, resume_until_it_rests, steps, stored

pytestmark = pytest.mark.django_db(databases=["order"])

BROKEN = [Unavailable("weg")] * Retry().undo_attempts
WHO = {"actor": "user:ana"}


class Refused(Conflict):
    code = "refused"


@pytest.fixture
def going_back(world, registered):
    """A saga that was refused, with two of its three compensations given up."""
    registered(world.step("a"), world.step("b"), world.step("c"), world.step("d"))
    world.answers |= {"d.do": [Refused()], "c.undo": list(BROKEN), "a.undo": list(BROKEN)}
    run = engine.run(begin())
    resume_until_it_rests()
    assert (stored(run.id).parked, world.effects) == (["c", "a"], ["a", "c"])
    world.calls.clear()
    return run.id


@pytest.fixture
def going_forward(world, registered):
    """A saga that stands still before its second of three steps."""
    registered(world.step("a"), world.step("b", final=True), world.step("c"))
    world.answers["b.do"] = [Refused()]
    run = engine.run(begin())
    assert stored(run.id).parked == ["b"]
    world.calls.clear()
    return run.id


def test_retrying_runs_the_parked_compensations_alone(world, going_back):
    staff.retry("order", going_back, **WHO, now=clock.now())
    assert resume(hours=0).status == "COMPENSATED"
    assert (world.calls, world.effects) == (["c.undo", "a.undo"], [])
    assert (stored(going_back).parked, stored(going_back).to_undo) == ([], [])


def test_retrying_gives_all_attempts_anew_and_parks_again_what_still_fails(world, going_back):
    world.answers["c.undo"] = list(BROKEN)
    staff.retry("order", going_back, **WHO, now=clock.now())
    resume_until_it_rests()
    assert (stored(going_back).status, stored(going_back).parked) == ("PARKED", ["c"])
    assert world.calls == ["c.undo"] * Retry().undo_attempts + ["a.undo"]


def test_retrying_takes_up_the_way_forward(world, going_forward):
    staff.retry("order", going_forward, **WHO, now=clock.now())
    assert resume(hours=0).status == "COMPLETED"
    assert world.effects == ["a", "b", "c"]


@pytest.mark.parametrize(("decide", "status"), [(staff.resolve, "RESOLVED"), (staff.skip, "SKIPPED")])
def test_a_saga_is_undone_once_every_parked_step_is_settled(world, going_back, decide, status):
    decide("order", going_back, "c", "devolvido por fora", **WHO, now=clock.now())
    assert (stored(going_back).status, stored(going_back).parked) == ("PARKED", ["a"])
    decide("order", going_back, "a", "idem", **WHO, now=clock.now())
    assert stored(going_back).status == "COMPENSATED"
    assert (world.calls, resume()) == ([], None)
    assert steps(going_back)[-2:] == [("c", "UNDO", status), ("a", "UNDO", status)]


@pytest.mark.parametrize("decide", [staff.resolve, staff.skip])
def test_settling_a_step_on_the_way_forward_goes_on_behind_it(world, going_forward, decide):
    decide("order", going_forward, "b", "feito à mão", **WHO, now=clock.now())
    assert resume(hours=0).status == "COMPLETED"
    assert (world.calls, world.effects) == (["c.do"], ["a", "c"])


def test_settling_the_last_step_completes_the_saga(world, registered):
    registered(world.step("a"), world.step("b", final=True))
    world.answers["b.do"] = [Refused()]
    run = engine.run(begin())
    staff.resolve("order", run.id, "b", "feito à mão", **WHO, now=clock.now())
    assert (stored(run.id).status, resume()) == ("COMPLETED", None)


def test_what_was_settled_is_not_retried(world, going_back):
    staff.skip("order", going_back, "c", "fica assim", **WHO, now=clock.now())
    staff.retry("order", going_back, **WHO, now=clock.now())
    resume_until_it_rests()
    assert (world.calls, world.effects) == (["a.undo"], ["c"])


def test_every_decision_is_written_down_with_who_and_why(going_back):
    staff.skip("order", going_back, "c", " fica assim ", **WHO, now=clock.now())
    staff.retry("order", going_back, **WHO, now=clock.now())
    rows = SagaStep.objects.using("order").filter(saga_id=going_back).order_by("-id")[:2]
    assert [(row.name, row.status, row.response) for row in reversed(rows)] == [
        ("c", "SKIPPED", {"actor": "user:ana", "note": "fica assim"}),
        ("a", "RETRY", {"actor": "user:ana", "note": ""}),
    ]


def test_a_decision_needs_a_parked_saga_a_parked_step_and_a_note(world, registered, going_back):
    with pytest.raises(staff.NoteRequired):
        staff.skip("order", going_back, "c", " ", **WHO, now=clock.now())
    with pytest.raises(staff.StepNotParked):
        staff.resolve("order", going_back, "b", "nota", **WHO, now=clock.now())
    with pytest.raises(staff.SagaNotFound):
        staff.retry("order", new_id(), **WHO, now=clock.now())
    staff.retry("order", going_back, **WHO, now=clock.now())
    with pytest.raises(staff.SagaNotParked):
        staff.retry("order", going_back, **WHO, now=clock.now())
    with pytest.raises(staff.SagaNotParked):
        staff.skip("order", going_back, "c", "nota", **WHO, now=clock.now())


def test_the_history_of_a_subject_tells_all_in_order(going_forward, django_assert_num_queries):
    staff.skip("order", going_forward, "b", "sem isso", **WHO, now=clock.now())
    resume(hours=0)
    subject = stored(going_forward).subject
    with django_assert_num_queries(1, using="order"):
        past = steps_of("order", subject=subject)
    assert [(step.name, step.status, step.detail) for step in past] == [
        ("a", "feito", ""),
        ("b", "espera uma pessoa", "refused: refused"),
        ("b", "dispensado", "user:ana: sem isso"),
        ("c", "feito", ""),
    ]
