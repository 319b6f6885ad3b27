from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers

from ecommerce.http.serializers import MoneyField
from ecommerce.money import Money


class Payment(serializers.Serializer[Any]):
    total = MoneyField()


def test_money_is_read_from_text() -> None:
    serializer = Payment(data={"total": {"amount": "129.9", "currency": "BRL"}})

    assert serializer.is_valid()
    assert serializer.validated_data == {"total": Money(Decimal("129.90"))}


@pytest.mark.parametrize(
    "total",
    [
        129.9,
        "129.90",
        {},
        {"amount": 129.9},
        {"amount": "x"},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": "1.999"},
        {"amount": "1", "currency": "XXX"},
        {"amount": "1", "currency": []},
        {"amount": "-1"},
        {"amount": "10000000000.00"},
        {"amount": "1e400000"},
        None,
    ],
    ids=str,
)
def test_what_is_not_money_is_refused(total: Any) -> None:
    assert not Payment(data={"total": total}).is_valid()


def test_a_refund_may_be_negative_where_that_is_meant() -> None:
    assert MoneyField(allow_negative=True).run_validation({"amount": "-1.00"}) == Money(Decimal("-1"))
