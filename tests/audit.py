"""``python -m tests.audit``: the locked packages. Pinned with hashes, none withdrawn, none with a known weakness, none
under a licence that we cannot keep.

Weaknesses are looked up at the advisory service that ``pip-audit`` asks. Where that is out of reach nothing is known,
which is said in as many words and is no failure; a weakness that is known is one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements/base.txt", "requirements/dev.txt")
PIN = re.compile(r"(?m)^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)*.*)$")
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )(A?GPL|(?:Affero )?General Public License)", re.IGNORECASE)
SECONDS = 120


@dataclass
class Report:
    faults: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What could not be looked up."""


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Return what a lock file names: the version and how many hashes it may have."""
    found = PIN.finditer(text)
    return {pin["name"].lower(): (pin["version"], pin["rest"].count("--hash=sha256:")) for pin in found}


def check_pins(texts: dict[str, str]) -> Iterator[str]:
    """Yield what is not pinned by a hash, and what one file pins differently from the other."""
    locked = {name: pins(text) for name, text in texts.items()}
    for file, packages in locked.items():
        named = re.findall(r"(?m)^([A-Za-z0-9._-]+)", texts[file])
        yield from (f"{file}: {name} has no version" for name in named if name.lower() not in packages)
        yield from (f"{file}: {name} has no hash" for name, (_, hashes) in packages.items() if not hashes)
    base, dev = (locked[file] for file in LOCKS)
    for name, (version, _) in base.items():
        if dev.get(name, ("", 0))[0] != version:
            yield f"{name} is {version} for running and {dev.get(name, ('nothing', 0))[0]} for developing"


def read_advisories(answer: dict[str, Any]) -> Report:
    """Tell what ``pip-audit -f json`` found, and what it passed over: it calls both a success."""
    report = Report()
    for package in answer["dependencies"]:
        if reason := package.get("skip_reason"):
            report.unknown.append(f"{package['name']}: {reason}")
        for weakness in package.get("vulns", ()):
            repaired = ", ".join(weakness["fix_versions"]) or "nowhere yet"
            report.faults.append(f"{package['name']} {package['version']}: {weakness['id']}, repaired in {repaired}")
    return report


def advisories(lock: str) -> Report:
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    done = _run(*command, "--progress-spinner", "off", "--timeout", "10", "--format", "json")
    if done.stdout.startswith("{"):
        return read_advisories(json.loads(done.stdout))
    return Report(unknown=[f"the advisory service: {(done.stderr.strip() or 'no answer').splitlines()[-1][:200]}"])


def withdrawn(lock: str) -> Report:
    """Ask the index, without installing anything, whether a pinned release was withdrawn."""
    with tempfile.TemporaryDirectory() as nowhere:
        command = ["uv", "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--requirement", lock]
        done = _run(sys.executable, "-m", *command, "--target", nowhere, "--python", sys.executable)
    found = [line.strip() for line in done.stderr.splitlines() if "yanked" in line]
    return Report(found, [] if done.returncode == 0 else [f"the package index: {done.stderr.strip()[-200:]}"])


def licences(lock: str) -> Iterator[tuple[str, str]]:
    for name in pins((ROOT / lock).read_text()):
        about = metadata.metadata(name)
        classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if "License ::" in line]
        stated = str(about.get("License-Expression") or "; ".join(classified) or about.get("License") or "")
        yield name, stated.strip().partition("\n")[0][:80]


def check_licences(stated: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield what runs with the shop under a licence that nobody stated, or that asks for the shop's own source."""
    for name, licence in stated:
        if not licence:
            yield f"{name}: no licence is stated"
        elif COPYLEFT.search(licence):
            yield f"{name}: {licence}"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)


def main() -> int:
    faults = [*check_pins({lock: (ROOT / lock).read_text() for lock in LOCKS}), *check_licences(licences(LOCKS[0]))]
    unknown: list[str] = []
    for report in (advisories(LOCKS[1]), withdrawn(LOCKS[1])):
        faults += report.faults
        unknown += report.unknown
    for name, licence in sorted(licences(LOCKS[0])):
        print(f"  {name}: {licence}")
    if unknown:
        print(f"\n!!! NOT AUDITED, {len(unknown)} could not be looked up. The first: {unknown[0]}", file=sys.stderr)
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
