"""The tests of a context where it is alone: ``CONTEXTS=cart pytest tests/contexts/cart``.

What goes through real neighbours, or through the back office, is left out there: a module that imports another
context's insides or the admin, and a test that uses another context's database. Everything else brings its neighbours
with ``provide``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from ecommerce.topology import current, local_aliases

ALONE = len(current().local) < len(current().contexts)
INSIDES = re.compile(r"^from (?:tests\.)?contexts\.(\w+)\.(?!interface\b|events\b)", re.MULTILINE)
ADMIN = re.compile(r"^from (?:django\.contrib\.(?:admin|auth)|unfold)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not ALONE or collection_path.suffix != ".py" or collection_path.name == "conftest.py":
        return None
    text = collection_path.read_text()
    elsewhere = set(INSIDES.findall(text)) & {each.name for each in current().contexts if not each.local}
    installed = settings.BACK_OFFICE or (settings.ACCOUNTS and "django.contrib.admin" not in text)
    return True if elsewhere or (ADMIN.search(text) and not installed) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not ALONE:
        return
    here = set(local_aliases())
    for item in items:
        database = item.get_closest_marker("django_db")
        if database and (missing := set(database.kwargs.get("databases", ())) - here):
            item.add_marker(pytest.mark.skip(reason=f"goes through {', '.join(sorted(missing))}, too"))
