"""``python -m tests.stripe_server --port 8420 --webhook-url http://… --webhook-secret whsec_…``."""

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence

from aiohttp import web

from tests.stripe_server.front import Front, application


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stripe_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument("--webhook-url", default="", help="where webhooks go; without it there are none")
    parser.add_argument("--webhook-secret", default="whsec_test_stripe")
    parser.add_argument(
        "--hang-seconds", type=float, default=30.0, help="how long an answer that never comes is awaited"
    )
    chosen = parser.parse_args(arguments)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    front = Front(address=f"http://127.0.0.1:{chosen.port}", hang_seconds=chosen.hang_seconds)
    ready = application(front, webhook_url=chosen.webhook_url, webhook_secret=chosen.webhook_secret)
    web.run_app(ready, host="127.0.0.1", port=chosen.port, print=None, access_log=None, shutdown_timeout=0.1)
    return 0


def _end_with(parent: int) -> None:
    """End this process when its parent was killed."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
