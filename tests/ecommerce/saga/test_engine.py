from datetime import timedelta

import pytest

from ecommerce import clock
from ecommerce.calls.client import CallInTransaction
from ecommerce.errors import Conflict, Unavailable, Unreachable
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown, Retry, SagaState, Step
from ecommerce.saga.models import SagaInstance, SagaStep
from ecommerce.unit_of_work import unit_of_work
from tests.ecommerce.saga.conftest import (
    begin,
    dying,
    resume,
    resume_until_it_rests,
    rolled_back,
    steps,
    stored,
    take_over,
    until_tomorrow,
)

pytestmark = pytest.mark.django_db(databases=["order"])


class Refused(Conflict):
    code = "refused"


# --- forward -------------------------------------------------------------------------------------------------------
def test_a_saga_completes_step_by_step(world, three):
    run = engine.run(begin())
    saga = stored(run.id)
    assert world.effects == ["a", "b", "c"]
    assert (saga.status, saga.lease_owner, saga.due_at) == ("COMPLETED", None, None)
    assert steps(run.id) == [("a", "DO", "DONE"), ("b", "DO", "DONE"), ("c", "DO", "DONE")]


def test_a_saga_exists_if_and_only_if_its_unit_of_work_commits(world, three):
    with rolled_back() as work:
        engine.start(work, "TOY", subject=new_id(), data={}, now=clock.now())
    assert not SagaInstance.objects.using("order").exists()


def test_a_step_without_do_was_done_by_the_start(world, registered):
    registered(Step("write", undo=lambda saga: None), world.step("a"))
    run = engine.run(begin())
    assert steps(run.id) == [("write", "DO", "DONE"), ("a", "DO", "DONE")]


def test_a_saga_may_be_left_to_a_worker_from_the_beginning(world, registered):
    registered(Step("write"), world.step("a"))
    with unit_of_work("order") as work:
        run = engine.start(work, "TOY", subject=new_id(), data={}, now=clock.now(), held=False)
    assert (stored(run.id).lease_owner, world.calls) == (None, [])
    assert resume(hours=0).status == "COMPLETED"
    assert steps(run.id) == [("write", "DO", "DONE"), ("a", "DO", "DONE")]


def test_a_step_that_does_not_apply_is_passed_over_in_both_directions(world, registered):
    registered(
        world.step("a"),
        world.step("b", when=lambda data: data["wanted"]),
        world.step("c"),
        world.step("d", when=lambda data: data["wanted"]),
    )
    run = engine.run(begin(data={"wanted": False}))
    assert (run.status, steps(run.id)) == ("COMPLETED", [("a", "DO", "DONE"), ("c", "DO", "DONE")])
    world.calls.clear()
    world.answers = {"c.do": [Refused("no")]}
    run = engine.run(begin(data={"wanted": False}))
    assert (run.status, world.calls) == ("COMPENSATED", ["a.do", "c.do", "c.undo", "a.undo"])


def test_a_saga_may_begin_behind_a_step_that_does_not_apply(world, registered):
    registered(Step("write"), world.step("a", when=lambda data: data["wanted"]), world.step("b"))
    for wanted, expected in ((False, ["write", "b"]), (True, ["write", "a", "b"])):
        run = engine.run(begin(data={"wanted": wanted}))
        assert [name for name, _, _ in steps(run.id)] == expected


def test_later_steps_know_what_earlier_ones_learnt(world, registered):
    seen: list[SagaState] = []
    registered(
        Step("a", do=lambda saga: {"price": Money("1.50")}),
        Step("b", do=seen.append, retry=Retry(attempts=2)),
        world.step("c"),
    )
    run = engine.run(begin(data={"given": 1}))
    assert seen[0].data == {"given": 1, "price": {"amount": "1.50", "currency": "BRL"}} == stored(run.id).data


def test_a_saga_is_not_run_inside_a_transaction(world, three):
    run = begin()
    with unit_of_work("order"), pytest.raises(CallInTransaction):
        engine.run(run)


# --- failing and trying again --------------------------------------------------------------------------------------
def test_a_refusal_turns_back_in_reverse_order_beginning_with_the_step_itself(world, three):
    world.answers["c.do"] = [Refused("não", facts=[1])]
    run = engine.run(begin())
    saga = stored(run.id)
    assert world.calls == ["a.do", "b.do", "c.do", "c.undo", "b.undo", "a.undo"]
    assert (saga.status, world.effects) == ("COMPENSATED", [])
    assert isinstance(run.failure, Refused)
    assert saga.error == {
        "step": "c", "code": "refused", "kind": "conflict", "detail": "não", "params": {"facts": [1]},
    }  # fmt: skip
    assert steps(run.id)[2:] == [
        ("c", "DO", "FAILED"), ("c", "UNDO", "DONE"), ("b", "UNDO", "DONE"), ("a", "UNDO", "DONE"),
    ]  # fmt: skip


def test_an_undo_knows_what_went_wrong(world, registered):
    seen: list[SagaState] = []
    registered(Step("a", do=lambda saga: None, undo=seen.append), world.step("b"))
    world.answers["b.do"] = [Refused("não")]
    engine.run(begin())
    assert seen[0].error["code"] == "refused"


@pytest.mark.parametrize("hiccup", [Unavailable("weg"), RuntimeError("kaputt")])
def test_what_may_be_passing_is_tried_again_later(world, three, hiccup):
    world.answers["b.do"] = [hiccup, hiccup]
    run = engine.run(begin())
    paused = stored(run.id)
    assert (paused.status, paused.lease_owner) == ("RUNNING", None)
    assert clock.now() < paused.due_at <= clock.now() + timedelta(seconds=2)
    resume_until_it_rests()
    assert stored(run.id).status == "COMPLETED"
    assert steps(run.id)[1:4] == [("b", "DO", "FAILED"), ("b", "DO", "FAILED"), ("b", "DO", "DONE")]


@pytest.mark.parametrize("hiccup", [Unavailable("weg"), RuntimeError("kaputt")])
def test_after_its_last_attempt_a_step_is_refused(world, three, hiccup):
    world.answers["b.do"] = [hiccup] * 3
    run = engine.run(begin())
    resume_until_it_rests()
    assert (stored(run.id).status, world.effects, world.calls.count("b.do")) == ("COMPENSATED", [], 3)


def test_failures_of_one_step_do_not_count_for_the_next(world, three):
    world.answers |= {"b.do": [Unavailable()] * 2, "c.do": [Unavailable()] * 2}
    run = engine.run(begin())
    resume_until_it_rests()
    assert stored(run.id).status == "COMPLETED"


def test_an_unknown_outcome_pauses_and_the_step_runs_again(world, three):
    world.answers["a.do"] = [OutcomeUnknown("no answer")] * 10
    run = engine.run(begin())
    assert steps(run.id) == [("a", "DO", "UNKNOWN")]
    resume_until_it_rests()
    assert stored(run.id).status == "COMPLETED"
    assert world.calls.count("a.do") == 11


def test_an_outcome_that_stays_unknown_turns_back_at_last_and_waits_for_a_person(world, registered):
    registered(world.step("a"), world.step("b", retry=Retry(unknown_attempts=4)))
    world.answers |= {"b.do": [OutcomeUnknown()] * 9, "b.undo": [OutcomeUnknown()] * 9}
    run = engine.run(begin())
    resume_until_it_rests()
    saga = stored(run.id)
    assert (saga.status, saga.parked, world.effects) == ("PARKED", ["b"], [])
    assert (world.calls.count("b.do"), world.calls.count("b.undo")) == (4, 4)


def test_an_unknown_outcome_of_an_undo_is_tried_more_often_than_a_failure(world, three):
    world.answers |= {"b.do": [Refused()], "b.undo": [OutcomeUnknown()] * 20}
    run = engine.run(begin())
    resume_until_it_rests()
    assert (stored(run.id).status, world.calls.count("b.undo")) == ("COMPENSATED", 21)


def test_a_compensation_that_keeps_failing_is_parked_while_the_others_still_run(world, three):
    world.answers |= {"c.do": [Refused()], "b.undo": [RuntimeError("kaputt")] * 99}
    run = engine.run(begin())
    resume_until_it_rests()
    saga = stored(run.id)
    assert (saga.status, saga.parked, saga.due_at, saga.lease_owner) == ("PARKED", ["b"], None, None)
    assert world.effects == ["b"]
    assert world.calls.count("b.undo") == Retry().undo_attempts
    assert steps(run.id)[-2:] == [("b", "UNDO", "PARKED"), ("a", "UNDO", "DONE")]


def test_a_compensation_waits_for_its_neighbour_however_long_that_is_away(world, three):
    away = [Unreachable(context="catalog")] * 5 * Retry().undo_attempts
    world.answers |= {"c.do": [Refused()], "b.undo": [*away, Unavailable(), Unavailable()]}
    run = engine.run(begin())
    resume_until_it_rests()
    assert (stored(run.id).status, world.effects) == ("COMPENSATED", [])
    assert world.calls.count("b.undo") == len(away) + 3


def test_a_neighbour_that_is_back_and_keeps_failing_is_for_a_person(world, three):
    away = [Unreachable(context="catalog")] * 20
    world.answers |= {"c.do": [Refused()], "b.undo": [*away, *[Unavailable()] * 9]}
    run = engine.run(begin())
    resume_until_it_rests()
    assert stored(run.id).parked == ["b"]
    assert world.calls.count("b.undo") == len(away) + Retry().undo_attempts


def test_a_step_has_a_policy_of_its_own(world, registered):
    soon = timedelta(seconds=8)
    registered(
        world.step("a", retry=Retry(attempts=2, undo_attempts=3, first_pause=soon, longest_pause=2 * soon)),
        world.step("b"),
    )
    world.answers |= {"a.do": [Unavailable()], "b.do": [Refused()], "a.undo": [RuntimeError("kaputt")] * 9}
    run = engine.run(begin())
    assert soon / 4 - timedelta(seconds=1) < stored(run.id).due_at - clock.now() <= soon
    resume_until_it_rests()
    assert (stored(run.id).parked, world.calls.count("a.do"), world.calls.count("a.undo")) == (["a"], 2, 3)


def test_pauses_double_up_to_the_longest():
    policy = Retry(first_pause=timedelta(seconds=4), longest_pause=timedelta(seconds=20))
    for failures, bound in ((1, 4), (2, 8), (3, 16), (4, 20), (5000, 20)):
        pauses = [policy.pause(failures).total_seconds() for _ in range(200)]
        assert 1 <= min(pauses) <= max(pauses) <= bound
        assert max(pauses) > bound / 2


@pytest.mark.parametrize("failures", [[Refused()], [RuntimeError("kaputt")] * 3])
def test_a_final_step_is_parked_instead_of_turning_back(world, registered, failures):
    registered(world.step("a"), world.step("b", retry=Retry(attempts=3), final=True))
    world.answers["b.do"] = failures
    run = engine.run(begin())
    resume_until_it_rests()
    saga = stored(run.id)
    assert (saga.status, saga.parked, saga.error, world.effects) == ("PARKED", ["b"], None, ["a"])
    assert resume() is None


def test_a_step_knows_its_attempt_by_name(world, registered):
    seen: list[SagaState] = []

    def see(saga: SagaState) -> None:
        seen.append(saga)
        if len(seen) == 1:
            raise Unavailable

    registered(Step("a", do=see, undo=seen.append, retry=Retry(attempts=2)), world.step("b"))
    world.answers["b.do"] = [Refused()]
    run = engine.run(begin())
    resume_until_it_rests()
    kept = SagaStep.objects.using("order").filter(saga_id=run.id, name="a").order_by("id")
    assert [state.key for state in seen] == list(kept.values_list("idempotency_key", flat=True))
    assert len({state.key for state in seen}) == 3


# --- waiting ---------------------------------------------------------------------------------------------------------
def test_a_saga_waits_without_being_held_and_goes_on_in_time(world, three):
    world.answers["b.do"] = [until_tomorrow(ticket=7)]
    run = engine.run(begin())
    waiting = stored(run.id)
    assert (waiting.status, waiting.lease_owner, waiting.data) == ("WAITING", None, {"ticket": 7})
    assert resume(hours=23) is None
    assert resume(hours=25).status == "COMPLETED"
    assert steps(run.id)[1:3] == [("b", "DO", "WAITING"), ("b", "DO", "DONE")]


def test_a_signal_wakes_a_waiting_saga_when_its_unit_of_work_commits(world, three):
    world.answers["b.do"] = [until_tomorrow()]
    run = engine.run(begin())
    with rolled_back() as work:
        engine.signal(work, "TOY", subject=run.subject)
    assert resume(hours=0) is None
    with unit_of_work("order") as work:
        engine.signal(work, "TOY", subject=run.subject)
    assert resume(hours=0).status == "COMPLETED"


def test_a_signal_that_comes_before_the_saga_waits_is_not_lost(world, three):
    run = begin()

    def signalled_meanwhile():
        with unit_of_work("order") as work:
            engine.signal(work, "TOY", subject=run.subject)
        return until_tomorrow()

    world.answers["b.do"] = [signalled_meanwhile, until_tomorrow()]
    assert engine.run(run).status == "WAITING"
    assert resume(hours=0).status == "WAITING"
    assert resume(hours=0) is None


def test_a_signal_brings_on_a_compensation_that_pauses(world, three):
    world.answers |= {"b.do": [Refused()], "b.undo": [OutcomeUnknown()]}
    run = engine.run(begin())
    assert (stored(run.id).status, resume(hours=0)) == ("COMPENSATING", None)
    with unit_of_work("order") as work:
        engine.signal(work, "TOY", subject=run.subject)
    assert resume(hours=0).status == "COMPENSATED"


def test_a_signal_that_comes_while_a_step_is_undone_is_not_lost(world, three):
    run = begin()

    def signalled_meanwhile():
        with unit_of_work("order") as work:
            engine.signal(work, "TOY", subject=run.subject)
        raise OutcomeUnknown

    world.answers |= {"b.do": [Refused()], "b.undo": [signalled_meanwhile]}
    assert engine.run(run).status == "COMPENSATING"
    assert resume(hours=0).status == "COMPENSATED"


def test_waiting_often_uses_up_no_attempts(world, three):
    world.answers["b.do"] = [until_tomorrow()] * 20 + [Unavailable()]
    run = engine.run(begin())
    for _ in range(20):
        resume(hours=25)
    assert stored(run.id).status == "RUNNING"
    assert resume().status == "COMPLETED"


def test_a_signal_leaves_others_alone(world, three):
    world.answers["b.do"] = [until_tomorrow()]
    waiting, ended = engine.run(begin()), engine.run(begin())
    with unit_of_work("order") as work:
        engine.signal(work, "TOY", subject=ended.subject)
        engine.signal(work, "OTHER", subject=waiting.subject)
    assert (stored(ended.id).status, resume(hours=0)) == ("COMPLETED", None)


# --- dying -----------------------------------------------------------------------------------------------------------
FORWARD, BACKWARD = 12, 23
"""So many boundaries has the toy saga when it completes, and when its third step is refused."""


@pytest.mark.parametrize("moment", range(1, FORWARD + 1))
def test_killed_at_any_boundary_forward_every_effect_happens_once(world, three, moment):
    world.dies_at = moment
    run = begin()
    with dying():
        engine.run(run)
    resume_until_it_rests()
    assert (stored(run.id).status, world.effects) == ("COMPLETED", ["a", "b", "c"])
    assert world.changes == {"a.do": 1, "b.do": 1, "c.do": 1}


@pytest.mark.parametrize("moment", range(1, BACKWARD + 1))
def test_killed_at_any_boundary_backward_nothing_is_left(world, three, moment):
    world.dies_at = moment
    world.answers["c.do"] = [Refused()] * 2
    run = begin()
    with dying():
        engine.run(run)
    resume_until_it_rests()
    assert (stored(run.id).status, world.effects) == ("COMPENSATED", [])
    assert all(world.changes[f"{name}.do"] == world.changes[f"{name}.undo"] <= 1 for name in "abc")


def test_all_boundaries_are_covered(world, three):
    engine.run(begin())
    forward, world.boundaries, world.effects = world.boundaries, 0, []
    world.answers["c.do"] = [Refused()]
    engine.run(begin())
    assert (forward, world.boundaries) == (FORWARD, BACKWARD)


def test_killed_again_and_again_a_saga_still_ends(world, three):
    run = begin()
    for moment in (2, 5, 8, 12, 15):
        world.dies_at = moment
        with dying():
            engine.run(run)
        run = take_over()
    engine.run(run)
    assert (stored(run.id).status, world.changes) == ("COMPLETED", {"a.do": 1, "b.do": 1, "c.do": 1})


def test_a_step_that_kills_every_worker_is_given_up(world, three):
    world.answers["b.do"] = [SystemExit(137)] * 99
    with pytest.raises(SystemExit):
        engine.run(begin())
    for _ in range(engine.CRASHES - 1):
        with pytest.raises(SystemExit):
            resume()
    assert resume().status == "COMPENSATED"
    assert world.effects == []
