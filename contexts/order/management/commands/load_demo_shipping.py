"""Demo shipping methods: prices by state and weight, plausible for a shop in São Paulo."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from contexts.order.usecases.configure_shipping import put_shipping_method
from ecommerce.money import Money, rounded

NEAR = ("SP",)
SOUTH_EAST = ("RJ", "MG", "ES", "PR", "SC", "RS")
STEPS = {1_000: Decimal(1), 5_000: Decimal("1.6"), 30_000: Decimal("3.2"), 200_000: Decimal("7.5")}
"""Up to a weight in grams: factor on the price of the smallest parcel."""
METHODS: dict[str, tuple[str, str, int, tuple[str, str, str]]] = {
    "economico": ("Econômico", "Correios PAC", 8, ("12.90", "19.90", "29.90")),
    "expresso": ("Expresso", "Correios Sedex", 2, ("24.90", "39.90", "69.90")),
}
"""Name, carrier, days, and the price near by, in the South-East and elsewhere."""


class Command(BaseCommand):
    help = "Create or replace the demo shipping methods. Idempotent."

    def handle(self, *args: Any, **options: Any) -> None:
        for code, (name, carrier, days, base) in METHODS.items():
            near, south_east, elsewhere = (Decimal(price) for price in base)
            prices = dict.fromkeys(NEAR, near) | dict.fromkeys(SOUTH_EAST, south_east) | {"": elsewhere}
            rates = [
                {"state": state, "max_weight_grams": weight, "price": rounded(price * factor)}
                for state, price in prices.items()
                for weight, factor in STEPS.items()
            ]
            put_shipping_method(code=code, name=name, carrier=carrier, delivery_days=days, active=True, rates=rates)
        pick_up = {"state": "", "max_weight_grams": 1_000_000, "price": Money(Decimal(0))}
        put_shipping_method(
            code="retirada", name="Retirar na loja", carrier="", delivery_days=1, active=True, rates=[pick_up]
        )
        self.stdout.write(f"{len(METHODS) + 1} shipping methods")
