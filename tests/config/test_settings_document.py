"""``docs/settings.md`` names every environment variable that the programs read, and no other."""

from __future__ import annotations

import re

from django.conf import settings

from tests.environment import variables


def test_every_variable_is_in_the_document() -> None:
    assert variables() - documented() == set()


def test_the_document_names_nothing_that_nobody_reads() -> None:
    assert documented() - variables() == set()


def documented() -> set[str]:
    """Return the variables in the first cells of the tables; ``<CONTEXT>_…`` stands for one per context."""
    text = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
