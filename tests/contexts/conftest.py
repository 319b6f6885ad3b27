"""The tests of a context where it is alone: ``CONTEXTS=cart pytest tests/contexts/cart``.

What goes through real neighbours, or through the back office, is left out there: a module that imports another
context's insides or the admin, and a test that uses another context's database. Everything else brings its neighbours
with ``provide``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from ecommerce.topology import current, local_aliases

ALONE = len(current().local) < len(current().contexts)
INSIDES = re.compile(r"^from (?:tests\.)?contexts\.(\w+)\.(?!interface\b|events\b)", re.MULTILINE)
ADMIN = re.compile(r"^from (?:django\.contrib\.(?:admin|auth)|unfold)\b", re.MULTILINE)
IMPORTED = re.compile(r"^from (tests\.contexts\.[\w.]+) import", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if ALONE and collection_path.suffix == ".py" and _needs_others(collection_path) else None


@cache
def _needs_others(path: Path) -> bool:
    """Whether a module, or a test module that it takes something from, imports what is not installed here."""
    if path.name == "conftest.py" or not path.exists():
        return False
    text = path.read_text()
    elsewhere = set(INSIDES.findall(text)) & {each.name for each in current().contexts if not each.local}
    installed = settings.BACK_OFFICE or (settings.ACCOUNTS and "django.contrib.admin" not in text)
    if elsewhere or (ADMIN.search(text) and not installed):
        return True
    return any(_needs_others(settings.BASE_DIR / f"{name.replace('.', '/')}.py") for name in IMPORTED.findall(text))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not ALONE:
        return
    here = set(local_aliases())
    for item in items:
        database = item.get_closest_marker("django_db")
        if database and (missing := set(database.kwargs.get("databases", ())) - here):
            item.add_marker(pytest.mark.skip(reason=f"goes through {', '.join(sorted(missing))}, too"))
