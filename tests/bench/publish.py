"""``python -m tests.bench.publish N``: publish N price changes in one transaction. Run it in an installation's
environment.

Prints the moment of the commit on the machine's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal

import django


def main() -> None:
    django.setup()
    from contexts.catalog.events import VariantPriceChanged
    from ecommerce.ids import new_id
    from ecommerce.money import Money
    from ecommerce.unit_of_work import unit_of_work

    old, new = Money(Decimal("49.90")), Money(Decimal("39.90"))
    with unit_of_work("catalog") as work:
        for _ in range(int(sys.argv[1])):
            variant = new_id()
            work.publish(
                VariantPriceChanged(variant_id=variant, old_price=old, new_price=new), subject=variant, version=1
            )
    print(time.monotonic())


if __name__ == "__main__":
    main()
