import pytest
from django.core.exceptions import ImproperlyConfigured

from ecommerce.topology import BackOffice, Topology

PORTS = {"identity": 1, "catalog": 2, "cart": 3}


def topology(**environment: str) -> Topology:
    return Topology.from_environment(environment, PORTS)


def test_one_process_serves_everything_and_has_the_back_office() -> None:
    whole = topology()

    assert whole.served == whole.local == whole.contexts
    assert (whole.back_office, whole.service) == (BackOffice.TRUE, "ecommerce")
    assert whole.task_queues == ["identity_tasks", "catalog_tasks", "cart_tasks"]


def test_some_contexts_are_a_service_without_pages() -> None:
    part = topology(CONTEXTS="cart, catalog", IDENTITY_URL="http://identity:3001/")

    assert [context.name for context in part.served] == ["catalog", "cart"]
    assert (part.back_office, part.service) == (BackOffice.FALSE, "catalog+cart")
    assert part.task_queues == ["catalog_tasks", "cart_tasks"]
    assert part["identity"].url == "http://identity:3001"


def test_the_back_office_by_itself_has_all_contexts_and_serves_none() -> None:
    alone = topology(BACK_OFFICE="only")

    assert (alone.local, alone.served) == (alone.contexts, ())
    assert (alone.service, alone.task_queues) == ("back-office", ["back_office_tasks"])


def test_pages_can_be_left_out_of_the_one_process() -> None:
    assert topology(BACK_OFFICE="False").back_office is BackOffice.FALSE


@pytest.mark.parametrize("wanted", ["only", "true"])
def test_pages_need_every_context(wanted: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="every context"):
        topology(CONTEXTS="identity", BACK_OFFICE=wanted)


def test_a_word_that_is_not_known_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="true, false, only"):
        topology(BACK_OFFICE="perhaps")


def test_a_context_that_is_not_known_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="shoes"):
        topology(CONTEXTS="cart,shoes")
