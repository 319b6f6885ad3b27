"""A secret for machines that have none in the environment: development and tests."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def machine_secret(var_dir: Path) -> str:
    """Return the secret in ``var_dir/secret_key``, made at the first call and readable by its owner only.

    Written aside and linked into place, so that processes that start together agree on one.
    """
    path = var_dir / "secret_key"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=var_dir) as file, suppress(FileExistsError):
            file.write(secrets.token_urlsafe(50))
            file.flush()
            os.link(file.name, path)
    return path.read_text()
