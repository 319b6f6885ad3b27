from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecommerce.db.embedded import Server, locate


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A temporary directory that other users may enter, unlike pytest's own: as root the server runs as one of them."""
    directory = Path(tempfile.mkdtemp(prefix="ecommerce-db-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def private_server(open_directory: Path) -> Iterator[Server]:
    """An embedded server of our own, to be mistreated. Tests leave it running or down as they like."""
    server = Server(locate(open_directory / "var", {}))
    yield server
    server.stop()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs the server as somebody else")
