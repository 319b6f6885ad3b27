"""What a purchase costs: statements of the web process on all databases, BEGIN and COMMIT not counted."""

import pytest

from tests.contexts.catalog.factories import on_sale
from tests.contexts.order.conftest import EVERYWHERE, Shopper

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

PURCHASE = 32
"""POST carts, POST lines twice, POST preview, POST checkout with an approved card."""


@pytest.fixture
def warm(shopper, shirt):
    """What is done once per process has been done."""
    shopper.order(shopper.fill(shirt).check_out())


def test_a_whole_purchase(warm, shirt, statements):
    shopper, trousers = Shopper(), on_sale(price="99.90")
    with statements() as executed:
        shopper.fill()
        for variant in (shirt, trousers):
            url, line = f"/api/v1/carts/{shopper.cart['id']}/lines", {"variant_id": str(variant.id), "quantity": 1}
            assert shopper.client.post(url, line, headers=shopper.headers).status_code == 200
        answer = shopper.check_out()
    assert shopper.order(answer).status == "confirmed"
    assert len(executed) <= PURCHASE, "\n".join(sql[:150] for sql in executed)


def test_a_checkout_does_not_depend_on_the_number_of_lines(warm, statements):
    counts = []
    for size in (1, 12):
        shopper = Shopper().fill(*(on_sale(price="10.00") for _ in range(size)))
        body = shopper.body()
        with statements() as executed:
            answer = shopper.send(body)
        assert shopper.order(answer).status == "confirmed"
        counts.append(len(executed))
    assert counts[0] == counts[1] <= 21, "\n".join(sql[:70] for sql in executed)


def test_a_repeated_checkout_reads_its_answer_only(warm, shirt, statements):
    shopper = Shopper().fill(shirt)
    body = shopper.body()
    shopper.order(shopper.send(body, key="same"))
    with statements() as executed:
        assert shopper.send(body, key="same").status_code == 201
    assert len(executed) <= 2
