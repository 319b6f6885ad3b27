"""``python -m tests.bench.steady RATE SECONDS``: publish price changes at a steady rate, each with a commit of its own.
Run it in an installation's environment.

Prints how many were committed. It keeps to the clock: what it cannot do in time it does late, and nothing is left out.
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal

import django


def main() -> None:
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    django.setup()
    from contexts.catalog.events import VariantPriceChanged
    from ecommerce.ids import new_id
    from ecommerce.money import Money
    from ecommerce.unit_of_work import unit_of_work

    old, new = Money(Decimal("49.90")), Money(Decimal("39.90"))
    started, count = time.monotonic(), int(rate * seconds)
    for number in range(count):
        if (early := started + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        variant = new_id()
        event = VariantPriceChanged(variant_id=variant, old_price=old, new_price=new)
        with unit_of_work("catalog") as work:
            work.publish(event, subject=variant, version=1)
    print(count)


if __name__ == "__main__":
    main()
