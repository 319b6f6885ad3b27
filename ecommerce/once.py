"""Files that are made once, by whichever process comes first: secrets and keys of a machine.

Imported by the settings, so it must not import anything that needs settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_once(path: Path, make: Callable[[], str], *, mode: int = 0o600) -> bool:
    """Write what ``make`` returns into a new file, and its directory; return False where the file exists already.

    It is written aside and linked into place: nobody sees half of it, and processes that start at once agree on one.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as draft:
        os.chmod(draft.name, mode)
        draft.write(make())
        draft.flush()
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return False
    return True
