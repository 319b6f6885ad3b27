"""A copy of the code, to plant mistakes in, and processes that run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from django.conf import settings

PACKAGES = ("config", "contexts", "ecommerce")


def copy_code(to: Path) -> Path:
    """Copy the code into the directory ``to`` and return it."""
    for package in PACKAGES:
        shutil.copytree(settings.BASE_DIR / package, to / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("importlinter.ini", "manage.py"):
        shutil.copy(settings.BASE_DIR / file, to)
    return to


def file_of(root: Path, module: str) -> Path:
    """Return the file of a dotted module, whether it exists or not."""
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def append(root: Path, module: str, text: str) -> None:
    """Add ``text`` to the end of a module; a new one is made, with its package."""
    path = file_of(root, module)
    if not path.parent.exists():
        path.parent.mkdir()
        (path.parent / "__init__.py").touch()
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{text}\n")


def python(*arguments: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``arguments`` in ``root``, on the settings of the tests and on the databases of this run."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "VAR_DIR": str(settings.VAR_DIR), "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
