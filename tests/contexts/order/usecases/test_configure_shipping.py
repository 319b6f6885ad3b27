from decimal import Decimal

import pytest

from contexts.order.management.commands.load_demo_shipping import Command
from contexts.order.models import ShippingMethod, ShippingRate
from contexts.order.queries import shipping_options
from contexts.order.usecases.configure_shipping import DuplicateRate, put_shipping_method
from ecommerce.money import Money

pytestmark = pytest.mark.django_db(databases=["order"])


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def rate(state: str, grams: int, price: str) -> dict:
    return {"state": state, "max_weight_grams": grams, "price": brl(price)}


def put(*rates: dict, code: str = "pac", active: bool = True) -> None:
    put_shipping_method(
        code=code, name=code.upper(), carrier="Correios", delivery_days=8, active=active, rates=list(rates)
    )


def prices(state: str, grams: int) -> dict[str, str]:
    return {option.code: str(option.price.amount) for option in shipping_options(state=state, weight_grams=grams)}


def test_the_lightest_rate_that_fits_is_taken_and_the_states_own_goes_first():
    put(
        rate("", 1000, "20.00"), rate("", 5000, "30.00"), rate("SP", 1000, "10.00"), rate("SP", 2000, "12.00")
    )  # fmt: skip
    assert prices("RJ", 1000) == {"pac": "20.00"}
    assert prices("RJ", 1001) == {"pac": "30.00"}
    assert prices("SP", 1) == {"pac": "10.00"}
    assert prices("SP", 2000) == {"pac": "12.00"}
    assert prices("SP", 2001) == {"pac": "30.00"}
    assert prices("SP", 5001) == {}


def test_methods_come_by_code_and_inactive_ones_do_not():
    put(rate("", 1000, "20.00"), code="sedex")
    put(rate("", 1000, "10.00"), code="pac")
    put(rate("", 1000, "1.00"), code="balloon", active=False)
    assert list(prices("RJ", 1)) == ["pac", "sedex"]


def test_putting_a_method_replaces_all_of_it():
    put(rate("", 1000, "20.00"), rate("SP", 1000, "10.00"))
    put(rate("", 500, "5.00"))
    assert (ShippingMethod.objects.count(), ShippingRate.objects.count()) == (1, 1)
    assert (prices("SP", 500), prices("SP", 1000)) == ({"pac": "5.00"}, {})


def test_two_rates_for_the_same_are_refused():
    put(rate("", 500, "5.00"))
    with pytest.raises(DuplicateRate):
        put(rate("SP", 500, "5.00"), rate("SP", 500, "6.00"))
    assert prices("SP", 500) == {"pac": "5.00"}


def test_the_demo_methods_can_be_loaded_again():
    Command().handle()
    Command().handle()
    assert list(prices("SP", 900)) == ["economico", "expresso", "retirada"]
    assert prices("SP", 900)["economico"] < prices("AM", 900)["economico"]
