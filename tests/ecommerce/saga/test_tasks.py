"""Workers: every context's sagas are brought on, and two workers never hold the same one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections, transaction

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.saga import engine, tasks
from ecommerce.saga.definition import Step
from ecommerce.saga.models import SagaInstance
from ecommerce.saga.tasks import resume_sagas
from ecommerce.testing import pass_time
from ecommerce.topology import local_aliases
from ecommerce.unit_of_work import unit_of_work
from tests.ecommerce.saga.conftest import begin, stored

EVERYWHERE = list(local_aliases())


@pytest.mark.django_db(databases=EVERYWHERE)
def test_the_task_runs_what_is_due_in_every_context(world, registered):
    registered(world.step("a"))
    for context in ("order", "catalog"):
        with unit_of_work(context) as work:
            engine.start(work, "TOY", subject=new_id(), data={}, now=clock.now())
        pass_time(context, Step("").lease)
    assert resume_sagas() == 2
    for context in ("order", "catalog"):
        assert SagaInstance.objects.using(context).get().status == "COMPLETED"
    assert resume_sagas() == 0


@pytest.mark.django_db(transaction=True, databases=EVERYWHERE)
def test_however_many_runs_are_asked_for_two_threads_of_a_worker_do_them(world, registered):
    registered(world.step("a"))
    hanging, go_on = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        hanging.release()
        assert go_on.wait(timeout=30)

    world.answers["a.do"] = [hang] * 3
    for _ in range(3):
        begin()
    pass_time("order", Step("").lease)

    def resume() -> int:
        try:
            return resume_sagas()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(resume) for _ in range(2)]
        for _ in busy:
            assert hanging.acquire(timeout=30)
        refused = pool.submit(resume).result(timeout=30)
        go_on.set()
        assert (refused, sum(each.result(timeout=30) for each in busy)) == (0, 3)


@pytest.mark.django_db(databases=EVERYWHERE)
def test_a_context_whose_database_is_away_does_not_stop_the_others(world, registered, monkeypatch):
    registered(world.step("a"))
    run = begin()
    pass_time("order", Step("").lease)
    claim_due = engine.claim_due

    def without_catalog(context):
        if context == "catalog":
            raise OperationalError("the server is gone")
        return claim_due(context)

    monkeypatch.setattr(tasks, "claim_due", without_catalog)
    assert resume_sagas() == 1
    assert stored(run.id).status == "COMPLETED"


@pytest.mark.django_db(transaction=True, databases=["order"])
def test_parallel_workers_run_every_saga_once(world, registered):
    registered(world.step("a"))
    count, workers = 40, 8
    for _ in range(count):
        begin()
    pass_time("order", Step("").lease)
    start, ran = threading.Barrier(workers), []

    def work() -> None:
        start.wait(timeout=30)
        try:
            while claimed := engine.claim_due("order", limit=3):
                ran.extend(engine.run(run).id for run in claimed)
        finally:
            connections["order"].close()

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result()
    assert len(ran) == len(set(ran)) == count
    assert world.calls == ["a.do"] * count
    assert set(SagaInstance.objects.using("order").values_list("status", flat=True)) == {"COMPLETED"}


@pytest.mark.django_db(transaction=True, databases=["order"])
def test_a_saga_that_somebody_is_just_taking_is_left_out(world, registered):
    registered(world.step("a"))
    first, second = begin(), begin()
    pass_time("order", Step("").lease)

    def claim_elsewhere() -> list[engine.Run]:
        try:
            with connections["order"].cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            return engine.claim_due("order", limit=5)
        finally:
            connections["order"].close()

    with transaction.atomic(using="order"), ThreadPoolExecutor(1) as pool:
        [mine] = engine.claim_due("order")
        [theirs] = pool.submit(claim_elsewhere).result()
    assert {mine.id, theirs.id} == {first.id, second.id}
