"""What the shop offers as shipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contexts.order.models import ShippingMethod, ShippingRate
from ecommerce.errors import Invalid
from ecommerce.unit_of_work import unit_of_work


class DuplicateRate(Invalid):
    """Two rates for the same state and weight."""

    code = "duplicate_rate"


def put_shipping_method(
    *, code: str, name: str, carrier: str, delivery_days: int, active: bool, rates: Sequence[dict[str, Any]]
) -> None:
    """Create a shipping method or replace it with all its rates; each has ``state``, ``max_weight_grams``, ``price``.

    Raises:
        DuplicateRate
    """
    if len({(rate["state"], rate["max_weight_grams"]) for rate in rates}) != len(rates):
        raise DuplicateRate("Há mais de um preço para a mesma UF e o mesmo peso.")
    with unit_of_work("order"):
        method, _ = ShippingMethod.objects.using("order").update_or_create(
            code=code, defaults={"name": name, "carrier": carrier, "delivery_days": delivery_days, "active": active}
        )
        ShippingRate.objects.using("order").filter(method=method).delete()
        ShippingRate.objects.using("order").bulk_create(
            [
                ShippingRate(
                    method=method,
                    state=rate["state"],
                    max_weight_grams=rate["max_weight_grams"],
                    price=rate["price"].amount,
                    currency=rate["price"].currency,
                )
                for rate in rates
            ]
        )
