"""Is the process that a PostgreSQL lock file names still the server of this data directory?

A process id proves nothing: the process may be a zombie that nobody reaps (a container without an init), or the id may
have gone to somebody else after a restart. ``/proc`` knows; where there is no ``/proc`` PostgreSQL's own check decides.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
IMPOSSIBLE_PID = 4_194_305
"""One more than Linux ever gives out."""


def is_running(data: Path) -> bool:
    """Whether the server that ``data`` is locked by is alive. Says nothing about its readiness."""
    pid = _pid_in(data / "postmaster.pid")
    return pid is not None and _is_server_of(data, pid)


def disarm_stale_locks(data: Path, sockets: Path) -> None:
    """Make PostgreSQL take over lock files whose process is a zombie or somebody else.

    The files stay and only name a process that cannot exist. So PostgreSQL still makes its own check that no backend
    of the dead server is attached to the shared memory that the lock file describes; removing the file would skip it.
    """
    for lock in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        pid = _pid_in(lock)
        if pid is not None and not _is_server_of(data, pid):
            lock.write_text(re.sub(r"^\s*-?\d+", str(IMPOSSIBLE_PID), lock.read_text(), count=1))


def _is_server_of(data: Path, pid: int) -> bool:
    if not (PROC / "self" / "stat").exists():
        return _exists(pid)
    try:
        name, _, rest = (PROC / str(pid) / "stat").read_text().partition("(")[2].rpartition(")")
        arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    if rest.split()[0] in "ZX" or not name.startswith("postgres"):
        return False
    directory = arguments[arguments.index(b"-D") + 1] if b"-D" in arguments[:-1] else b""
    return not directory.startswith(b"/") or Path(os.fsdecode(directory)) == data


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _pid_in(lock: Path) -> int | None:
    try:
        return int(lock.read_text().split(maxsplit=1)[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
