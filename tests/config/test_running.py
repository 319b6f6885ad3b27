"""What every process of an installation is started with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from config.running import in_shell

AUTOGROUP = Path("/proc/self/autogroup")


def run(command: str) -> str:
    shell = subprocess.run(in_shell(command), shell=True, start_new_session=True, capture_output=True, text=True)
    assert (shell.returncode, shell.stderr) == (0, "")
    return shell.stdout.strip()


def test_what_is_nice_stays_so() -> None:
    assert (run("nice -n 7 nice"), run("nice")) == ("7", run("nice -n 0 nice"))


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not group processes by session")
def test_what_is_nice_is_nice_to_other_sessions() -> None:
    assert run(f"nice -n 7 cat {AUTOGROUP}").endswith(" nice 7")
    assert run(f"cat {AUTOGROUP}").endswith(" nice 0")
