"""Drain the outbox of one schema of a legacy database into the broker of this installation, until Ctrl-C.

    export CATALOG_DATABASE_URL=postgresql://catalog_service:…@legacy-host/legacy_shop
    python migrations-plan/phase-2/relay.py catalog

Any number may run. Everything else is configured as for a worker (``BROKER_URL``, ``DJANGO_SETTINGS_MODULE`` …). With
``--once`` it drains what is there and ends. It handles no events and runs no tasks: that is the workers' part.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("context", help="whose outbox: identity, catalog, cart, order, promotion or notification")
    parser.add_argument("--once", action="store_true", help="end when the outbox is empty")
    options = parser.parse_args()
    if not os.environ.get(f"{options.context.upper()}_DATABASE_URL"):
        parser.error(f"{options.context.upper()}_DATABASE_URL must name the legacy database")

    import django

    django.setup()
    from ecommerce.messaging.configured import get_broker
    from ecommerce.outbox.relay import Relay
    from ecommerce.topology import current

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    relay = Relay(current()[options.context], get_broker())
    if options.once:
        while relay.step():
            pass
        stop.set()
    relay.run(stop)


if __name__ == "__main__":
    main()
