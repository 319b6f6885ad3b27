"""Start the sandbox payment server: ``python -m tests.sandbox_psp --help``."""

import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import IO

from granian import Granian
from granian.constants import Interfaces

from tests.sandbox_psp.api import application
from tests.sandbox_psp.configuration import Configuration, parse
from tests.sandbox_psp.wsgi import Application


def main(arguments: Sequence[str]) -> int:
    configuration = parse(arguments)
    configuration.data.mkdir(parents=True, exist_ok=True)
    address = f"{configuration.host}:{configuration.port}"
    if not _is_free(configuration.host, configuration.port):
        print(f"sandbox PSP: {address} is taken by another program; choose another --port", file=sys.stderr)
        return 1
    lock = _lock(configuration)
    if lock is None:
        print(f"sandbox PSP: the books in {configuration.data} are in use; choose another --data", file=sys.stderr)
        return 1
    with lock:
        server = Granian(
            "the sandbox payment server",
            address=configuration.host,
            port=configuration.port,
            interface=Interfaces.WSGI,
            workers=1,
            blocking_threads=configuration.threads,
            log_enabled=False,
            workers_kill_timeout=1,
        )
        server.workers_kill_timeout = 0.3  # type: ignore[assignment]
        server.serve(target_loader=partial(_load, configuration, os.getpid()), wrap_loader=False)
    return 0


def _load(configuration: Configuration, parent: int) -> Application:
    """Make the application inside the worker process."""
    threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()
    ready = application(configuration)
    hooks = f"webhooks to {configuration.webhook_url}" if configuration.webhook_url else "webhooks as charges say"
    host, port, data = configuration.host, configuration.port, configuration.data
    print(f"sandbox PSP listening on http://{host}:{port} · books in {data} · {hooks}", flush=True)
    return ready


def _end_with(parent: int) -> None:
    """End this process when its parent was killed: an orphan would keep the port and the books."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _lock(configuration: Configuration) -> IO[str] | None:
    """Return the open lock file of the books, or nothing when another server holds it."""
    file = (configuration.data / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
