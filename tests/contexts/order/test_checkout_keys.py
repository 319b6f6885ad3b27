"""Idempotency of the checkout, request by request; the races are in usecases/test_races.py."""

import pytest

from contexts.order.models import LedgerEntry, Order
from tests.contexts.order.conftest import EVERYWHERE, Shopper, as_json, brl, card, client_of

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


def test_the_same_key_buys_once_and_answers_the_same(shopper, shirt):
    shopper.fill(shirt)
    body = shopper.body()
    first, second = shopper.send(body, key="k"), shopper.send(body, key="k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert (Order.objects.count(), LedgerEntry.objects.count()) == (1, 1)


def test_a_refusal_is_answered_again_as_well(shopper, shirt):
    shopper.fill(shirt)
    body = shopper.body(card("tok_declined"))
    first, second = shopper.send(body, key="k"), shopper.send(body, key="k")
    assert (first.status_code, second.status_code) == (402, 402)
    assert first.json() == second.json()
    assert Order.objects.count() == 1


def test_another_payload_under_the_same_key_is_refused(shopper, shirt):
    shopper.fill(shirt)
    body = shopper.body()
    shopper.send(body, key="k")
    answer = shopper.send({**body, "email": "eva@example.com"}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_what_was_refused_before_anything_was_written_may_be_tried_again(shopper, shirt):
    shopper.fill(shirt)
    body = shopper.body()
    wrong = {**body, "expected_total": as_json(brl("1.00"))}
    assert shopper.send(wrong, key="k").status_code == 409
    assert shopper.send(body, key="k").status_code == 201


def test_keys_of_others_are_others(shopper, shirt):
    shopper.order(shopper.fill(shirt).check_out(key="k"))
    other = Shopper().fill(shirt)
    other.order(other.check_out(key="k"))
    customer = Shopper(client=client_of()).fill(shirt)
    customer.order(customer.check_out(key="k"))
    assert Order.objects.count() == 3
