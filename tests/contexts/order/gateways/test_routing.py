"""Which gateway takes which way to pay, and what a wrong choice is told."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from contexts.order.adapters import MethodUnavailable, gateway_for
from contexts.order.adapters.routing import check_gateways
from contexts.order.domain import InstalmentsRefused, Method
from contexts.order.models import Order
from tests.contexts.order.conftest import EVERYWHERE, card


def test_each_method_goes_to_the_gateway_of_the_settings(settings: Settings) -> None:
    settings.PAYMENT_GATEWAYS = {"card": "stripe", "pix": "sandbox"}

    assert (gateway_for(Method.CARD), gateway_for(Method.PIX)) == ("stripe", "sandbox")


def test_a_method_without_a_gateway_is_refused_with_what_there_is(settings: Settings) -> None:
    settings.PAYMENT_GATEWAYS = {"pix": "sandbox", "card": "stripe"}

    with pytest.raises(MethodUnavailable) as refused:
        gateway_for(Method.BOLETO)

    assert refused.value.params == {"method": "boleto", "available": ["card", "pix"]}


def test_instalments_need_a_gateway_that_has_them(settings: Settings) -> None:
    settings.PAYMENT_GATEWAYS = {"card": "stripe"}

    assert gateway_for(Method.CARD, instalments=1) == "stripe"
    with pytest.raises(InstalmentsRefused):
        gateway_for(Method.CARD, instalments=2)


@pytest.mark.django_db(databases=EVERYWHERE)
def test_a_checkout_by_a_method_that_is_not_taken_writes_nothing(shopper, shirt, settings) -> None:
    settings.PAYMENT_GATEWAYS = {"card": "sandbox"}
    shopper.fill(shirt)

    refused = shopper.check_out({"method": "pix"})

    assert (refused.status_code, refused.json()["code"]) == (422, "method_unavailable")
    assert refused.json()["available"] == ["card"]
    assert not Order.objects.exists()
    assert shopper.order(shopper.check_out(card())).payments.get().gateway == "sandbox"


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ({"cheque": "sandbox"}, "there is no method 'cheque'"),
        ({"card": "unheard-of"}, "there is no gateway 'unheard-of' for card"),
        ({"pix": "stripe"}, "stripe does not take pix"),
        ({}, "no method is taken at all"),
    ],
)
def test_the_system_check_names_what_is_wrong(settings: Settings, chosen: dict[str, str], complaint: str) -> None:
    settings.PAYMENT_GATEWAYS = chosen

    (error,) = check_gateways(None)

    assert complaint in error.msg
    assert error.is_serious()


def test_what_is_right_passes_the_check(settings: Settings) -> None:
    settings.PAYMENT_GATEWAYS = {"card": "stripe", "debit_card": "stripe", "pix": "sandbox"}

    assert check_gateways(None) == []
