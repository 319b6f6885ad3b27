"""``docs/settings.md`` names every environment variable that the programs read, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from django.conf import settings

NAME = re.compile(r"[A-Z][A-Z0-9_]+")
OF_THE_ENVIRONMENT = re.compile(r"(.*\.)?(env|environ|environment|ENVIRON)")
READERS = frozenset({"_require", "_parse"})
"""Functions of ours that take the name of a variable first."""
OF_THE_SYSTEM = {"PATH", "PATH_INFO"}
OTHERWISE_READ = {"DJANGO_SETTINGS_MODULE", "BROKER_DATABASE_URL"}
"""By Django; by the name of a constant."""


def test_every_variable_is_in_the_document() -> None:
    assert read() - documented() == set()


def test_the_document_names_nothing_that_nobody_reads() -> None:
    assert documented() - read() - OTHERWISE_READ == set()


def documented() -> set[str]:
    """Return the variables in the first cells of the tables; ``<CONTEXT>_…`` stands for one per context."""
    text = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def read() -> set[str]:
    """Return the variables that the code takes from the environment."""
    trees = (
        ast.parse(path.read_text())
        for package in ("config", "ecommerce", "contexts")
        for path in (settings.BASE_DIR / package).rglob("*.py")
    )
    return {name for tree in trees for node in ast.walk(tree) for name in _names(node)} - OF_THE_SYSTEM


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(value=source), args=[key, *_]):
            pass
        case ast.Subscript(value=source, slice=key, ctx=ast.Load()):
            pass
        case ast.Call(func=ast.Name(id=reader), args=[key, *_]):
            source = ast.Name(id="environ" if reader in READERS else "")
        case _:
            return
    if not OF_THE_ENVIRONMENT.fullmatch(ast.unparse(source)):
        return
    match key:
        case ast.Constant(value=str(name)) if NAME.fullmatch(name):
            yield name
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=str(suffix))]) if NAME.match(suffix[1:]):
            yield f"<CONTEXT>{suffix}"
