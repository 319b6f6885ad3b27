"""A secret for machines that have none in the environment: development and tests."""

import secrets
from pathlib import Path

from ecommerce.once import write_once


def machine_secret(var_dir: Path) -> str:
    """Return the secret in ``var_dir/secret_key``, made at the first call and readable by its owner only."""
    path = var_dir / "secret_key"
    write_once(path, lambda: secrets.token_urlsafe(50))
    return path.read_text()
