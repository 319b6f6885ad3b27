from tests.audit import LOCKS, ROOT, check_licences, check_pins, read_advisories

PINNED = "a==1.0 \\\n    --hash=sha256:00\nb[c]==2.0 \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"


def both(base: str, dev: str) -> dict[str, str]:
    return dict(zip(LOCKS, (base, dev), strict=True))


def test_every_package_is_pinned_by_a_hash() -> None:
    assert list(check_pins({lock: (ROOT / lock).read_text() for lock in LOCKS})) == []


def test_a_package_without_version_or_hash_is_found() -> None:
    assert list(check_pins(both(PINNED, PINNED))) == []
    assert list(check_pins(both(PINNED, PINNED + "d==3.0\n"))) == ["requirements/dev.txt: d has no hash"]
    assert list(check_pins(both(PINNED, PINNED + "d\n"))) == ["requirements/dev.txt: d has no version"]


def test_what_runs_is_what_was_tested() -> None:
    other = PINNED.replace("a==1.0", "a==1.1")

    assert list(check_pins(both(PINNED, other))) == ["a is 1.0 for running and 1.1 for developing"]


def test_a_known_weakness_is_a_fault_and_what_nobody_looked_up_is_said() -> None:
    weak = {"name": "a", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
    report = read_advisories({"dependencies": [weak, {"name": "b", "skip_reason": "not found"}]})

    assert report.faults == ["a 1.0: CVE-1, repaired in 1.1"]
    assert report.unknown == ["b: not found"]


def test_a_licence_that_asks_for_our_source_is_found_and_one_that_does_not_is_let_through() -> None:
    good = [("a", "MIT"), ("b", "LGPL-3.0-only"), ("c", "GNU Lesser General Public License v3 (LGPLv3)")]
    bad = [("d", "GPL-3.0-or-later"), ("e", "GNU Affero General Public License v3"), ("f", "")]

    assert list(check_licences(iter(good))) == []
    assert [line.partition(":")[0] for line in check_licences(iter(bad))] == ["d", "e", "f"]
