"""A secret for machines that have none in the environment: development and tests."""

import os
import secrets
from pathlib import Path


def machine_secret(var_dir: Path) -> str:
    """Return the secret in ``var_dir/secret_key``, made at the first call and readable by its owner only.

    Written aside and linked into place, so that processes that start together agree on one.
    """
    path = var_dir / "secret_key"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        fresh = var_dir / f"secret_key.{os.getpid()}"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()
