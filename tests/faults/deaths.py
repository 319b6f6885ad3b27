"""Which process dies, or stands still, where: a file for each saga, written by the rig and struck out by who does."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

CHARGED = ("charge", "capture", "refund", "void")
"""What a gateway does that must not be lost, and must not be done twice."""


STOP = "stop "
"""Before a boundary: do not die there, stand still until somebody says go on."""


class Deaths:
    """The boundaries still to die at, first one first, by the id of a saga's subject or of the cart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def plan(self, id_: str, boundaries: Sequence[str]) -> None:
        """Let processes die at these boundaries, in this order; a ``*`` in one stands for anything."""
        file = self._folder / f"{id_}.new"
        file.write_text("\n".join(boundaries))
        file.rename(self._folder / id_)

    def left(self, id_: str) -> list[str]:
        """Return where nobody has died yet."""
        file = self._folder / id_
        return file.read_text().splitlines() if file.exists() else []

    def strike(self, id_: str, boundary: str) -> str:
        """Strike out the first boundary if it is this one; return that line of the plan, else nothing.

        One process has a saga at a time."""
        left = self.left(id_)
        if not left or not fnmatchcase(boundary, left[0].removeprefix(STOP)):
            return ""
        self.plan(id_, left[1:])
        return left[0]

    def note(self, id_: str, pid: int) -> None:
        """Note which process stands still."""
        (self._folder / f"{id_}.{pid}.stopped").touch()

    def stopped(self, id_: str = "*") -> list[int]:
        """Return the processes that stand still, or did."""
        return [int(file.name.split(".")[1]) for file in self._folder.glob(f"{id_}.*.stopped")]

    def forget(self) -> None:
        for file in self._folder.iterdir():
            file.unlink()
