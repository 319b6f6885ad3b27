"""Many workers: who holds a saga and for how long, as part of what it acts, and which versions it knows."""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from ecommerce import clock
from ecommerce.deadline import seconds_left
from ecommerce.errors import Conflict
from ecommerce.ids import new_id
from ecommerce.observability import context as request_context
from ecommerce.saga import engine, staff
from ecommerce.saga.definition import MARGIN, Retry, SagaState, Step, Wait
from ecommerce.saga.models import SagaStep
from ecommerce.testing import pass_time
from ecommerce.unit_of_work import unit_of_work
from tests.ecommerce.saga.conftest import begin, resume, resume_until_it_rests, steps, stored, until_tomorrow

pytestmark = pytest.mark.django_db(databases=["order"])

MOMENT = timedelta(seconds=10)


class Refused(Conflict):
    code = "refused"


def ids_of(runs: list[engine.Run]) -> set[UUID]:
    return {run.id for run in runs}


# --- leases ----------------------------------------------------------------------------------------------------------
def test_a_held_saga_is_nobody_elses_until_its_lease_ends(world, three):
    run = begin()
    pass_time("order", Step("").lease - MOMENT)
    assert engine.claim_due("order") == []
    pass_time("order", MOMENT)
    assert ids_of(engine.claim_due("order")) == {run.id}


def test_a_step_says_how_long_it_is_held(world, registered):
    long = timedelta(hours=2)
    registered(world.step("a", within=long), world.step("b"))
    world.answers["a.do"] = [until_tomorrow()]
    run = engine.run(begin())
    pass_time("order", timedelta(hours=25))
    assert ids_of(engine.claim_due("order")) == {run.id}
    pass_time("order", long)
    assert engine.claim_due("order") == []
    pass_time("order", MARGIN)
    assert ids_of(engine.claim_due("order")) == {run.id}


def test_a_step_is_told_when_its_time_is_over_and_so_is_whom_it_waits_for(world, registered):
    seen: list[tuple[timedelta, float]] = []

    def see(saga: SagaState) -> None:
        seen.append((saga.deadline - saga.now, seconds_left(3600)))

    registered(
        Step("a", do=see, undo=see, within=timedelta(minutes=2)),
        Step("b", do=see, within=timedelta(minutes=3), retry=Retry(attempts=2)),
        world.step("c"),
    )
    world.answers["c.do"] = [until_tomorrow(), Refused()]
    engine.run(begin())
    resume(hours=25)
    assert [round(asked.total_seconds()) for asked, _ in seen] == [120, 180, 120]
    assert [round(left) for _, left in seen] == [120, 180, 120]
    assert seconds_left(3600) == 3600


@pytest.mark.parametrize("overdue", [False, True])
def test_an_overrun_step_records_no_progress_though_nobody_took_over(world, three, overdue):
    lease = Step("").lease

    def take_long() -> None:
        pass_time("order", lease if overdue else lease - MOMENT)

    world.answers["b.do"] = [take_long]
    run = engine.run(begin())
    assert (run.suspended, stored(run.id).status) == ((True, "RUNNING") if overdue else (False, "COMPLETED"))
    resume_until_it_rests()
    assert (stored(run.id).status, world.changes) == ("COMPLETED", {"a.do": 1, "b.do": 1, "c.do": 1})


def test_a_step_that_always_overruns_is_given_up(world, three):
    def take_long() -> None:
        pass_time("order", Step("").lease)

    world.answers["b.do"] = [take_long] * 99
    run = engine.run(begin())
    resume_until_it_rests()
    assert (stored(run.id).status, world.calls.count("b.do"), world.effects) == ("COMPENSATED", engine.CRASHES, [])


def test_who_lost_the_lease_writes_nothing_any_more(world, three):
    run = begin()
    world.answers["b.do"] = [lambda: resume() and None]
    assert engine.run(run).suspended
    saga = stored(run.id)
    assert (saga.status, world.effects) == ("COMPLETED", ["a", "b", "c"])
    assert steps(run.id) == [
        ("a", "DO", "DONE"), ("b", "DO", "STARTED"), ("b", "DO", "DONE"), ("c", "DO", "DONE"),
    ]  # fmt: skip


def test_who_lost_the_lease_knows_nothing_of_how_the_saga_ends(world, three):
    run = begin()

    def taken_over_and_refused():
        resume()
        raise Refused

    world.answers["b.do"] = [taken_over_and_refused]
    engine.run(run)
    assert (run.suspended, run.error, run.failure) == (True, None, None)
    assert stored(run.id).status == "COMPLETED"


def test_who_lost_the_lease_during_the_last_step_does_not_report_the_end(world, three):
    run = begin()
    ended = {"service": "order", "saga": "TOY", "status": "COMPLETED"}
    before = REGISTRY.get_sample_value("sagas_ended_total", ended) or 0
    world.answers["c.do"] = [lambda: resume() and None]
    engine.run(run)
    assert (run.suspended, run.status, stored(run.id).status) == (True, "RUNNING", "COMPLETED")
    assert REGISTRY.get_sample_value("sagas_ended_total", ended) == before + 1


def test_sagas_are_claimed_oldest_first_and_no_more_than_asked(world, three):
    begun = [begin() for _ in range(3)]
    pass_time("order", timedelta(hours=1))
    first, second = engine.claim_due("order", limit=2)
    assert (first.id, second.id) == (begun[0].id, begun[1].id)
    assert ids_of(engine.claim_due("order", limit=2)) == {begun[2].id}
    assert engine.claim_due("order", limit=2) == []


def test_the_statements_of_a_saga_do_not_depend_on_its_data(world, three, django_assert_num_queries):
    run = begin(data={"basket": ["x" * 1000] * 100})
    with django_assert_num_queries(3, using="order"):
        engine.run(run)


# --- clocks that differ ----------------------------------------------------------------------------------------------
@pytest.fixture(params=[-3, 3])
def wrong_clock(request, monkeypatch):
    """Let the clock of this process be hours behind, or ahead."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(hours=request.param))


def real_due(saga_id: UUID) -> timedelta:
    return stored(saga_id).due_at - datetime.now(UTC)


def test_a_lease_does_not_depend_on_the_clock_of_who_holds_it(world, three, wrong_clock):
    run = begin()
    assert Step("").lease - MOMENT < real_due(run.id) <= Step("").lease
    assert engine.claim_due("order") == []
    pass_time("order", Step("").lease)
    [taken_over] = engine.claim_due("order")
    assert Step("").lease - MOMENT < real_due(run.id) <= Step("").lease
    assert engine.run(taken_over).status == "COMPLETED"


def test_a_pause_does_not_depend_on_the_clock_of_who_pauses(world, three, wrong_clock):
    world.answers["b.do"] = [RuntimeError("kaputt")]
    run = engine.run(begin())
    assert real_due(run.id) <= Retry().first_pause
    assert resume(hours=0.01).status == "COMPLETED"


def test_whoever_resumes_a_saga_goes_by_the_clock_of_the_database(world, registered, wrong_clock):
    """A step compares its time with what others wrote down: it must be told a time that all share."""
    seen: list[SagaState] = []
    registered(Step("a", do=seen.append))
    with unit_of_work("order") as work:
        engine.start(work, "TOY", subject=new_id(), data={}, now=clock.now(), held=False)
    assert resume(hours=0).status == "COMPLETED"
    assert abs(seen[0].now - datetime.now(UTC)) < MOMENT
    assert abs(seen[0].deadline - seen[0].now - Step("").within) < MOMENT


def test_a_wait_is_over_when_it_should_be_whatever_clock_it_began_by(world, registered, wrong_clock):
    until = datetime.now(UTC) + timedelta(days=1)
    registered(Step("a", do=lambda saga: Wait(until)))
    with unit_of_work("order") as work:
        run = engine.start(work, "TOY", subject=new_id(), data={}, now=clock.now(), held=False)
    assert resume(hours=0).status == "WAITING"
    assert abs(stored(run.id).due_at - until) < MOMENT


def test_a_signal_and_a_retry_are_due_at_once_whatever_clock_they_came_by(world, registered, wrong_clock):
    registered(world.step("a", final=True))
    world.answers["a.do"] = [until_tomorrow(), Refused(), None]
    run = engine.run(begin())
    with unit_of_work("order") as work:
        engine.signal(work, "TOY", subject=run.subject)
    assert resume(hours=0).status == "PARKED"
    staff.retry("order", run.id, actor="user:ana", now=clock.now())
    assert resume(hours=0).status == "COMPLETED"


# --- who asked, who ran it -------------------------------------------------------------------------------------------
def test_whoever_resumes_a_saga_acts_as_part_of_the_request_that_started_it(world, registered):
    seen: list[request_context.RequestContext] = []

    def see(saga: SagaState) -> Wait | None:
        seen.append(request_context.current())
        return until_tomorrow() if len(seen) == 1 else None

    registered(Step("a", do=see), Step("b", do=see))
    with request_context.bound(correlation_id="order-7", causation_id="cart-1", actor="user:ana") as asked:
        engine.run(begin())
    with request_context.bound(correlation_id="worker-9"):
        resume(hours=25)
        assert request_context.current().correlation_id == "worker-9"
    assert len(seen) == 3
    for context in seen:
        assert (context.correlation_id, context.causation_id, context.actor) == ("order-7", "cart-1", "user:ana")
        assert context.trace_id == asked.trace_id


def test_every_attempt_names_the_process_that_ran_it(world, three):
    world.answers["b.do"] = [until_tomorrow()]
    run = engine.run(begin())
    resume(hours=25)
    rows = SagaStep.objects.using("order").filter(saga_id=run.id)
    assert rows.count() == 4
    assert all(row.ran_by.endswith(f":{os.getpid()}") for row in rows)


# --- versions --------------------------------------------------------------------------------------------------------
def test_an_old_instance_finishes_under_its_old_definition(world, registered):
    registered(world.step("a"), world.step("b"))
    world.answers["a.do"] = [until_tomorrow()]
    old = engine.run(begin())
    registered(world.step("x"), version=2)
    new = engine.run(begin())
    resume(hours=25)
    assert [name for name, *_ in steps(old.id)] == ["a", "a", "b"]
    assert [name for name, *_ in steps(new.id)] == ["x"]
    assert (stored(old.id).definition_version, stored(new.id).definition_version) == (1, 2)


def test_a_process_with_old_code_leaves_a_new_version_alone(world, registered, monkeypatch):
    """New and old code side by side: each process claims what it knows, whatever is due first."""
    registered(world.step("x"), version=2)
    new = begin()
    monkeypatch.setattr("ecommerce.saga.definition._sagas", {})
    monkeypatch.setattr("ecommerce.saga.definition._newest", {})
    registered(world.step("a"), world.step("b"))
    old = begin()
    assert resume(hours=1).id == old.id
    assert resume(hours=1) is None
    assert (stored(new.id).status, world.calls) == ("RUNNING", ["a.do", "b.do"])
    registered(world.step("x"), version=2)
    assert resume(hours=1).id == new.id
    assert world.calls[2:] == ["x.do"]


def test_a_saga_whose_definition_is_unknown_here_is_left_to_others(world, registered, monkeypatch):
    registered(world.step("a"), type="GONE")
    begin(type="GONE")
    monkeypatch.setattr("ecommerce.saga.definition._sagas", {})
    registered(world.step("b"))
    run = begin()
    assert resume(hours=1).id == run.id
    assert resume(hours=1) is None
