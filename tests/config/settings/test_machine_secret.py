from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.settings.machine_secret import machine_secret


def test_it_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    secret = machine_secret(tmp_path / "var")

    assert len(secret) >= 50
    assert machine_secret(tmp_path / "var") == secret
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_those_who_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: machine_secret(tmp_path), range(8)))

    assert len(secrets) == 1
