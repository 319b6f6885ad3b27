"""The environment variables that the programs read, found in their source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from django.conf import settings

NAME = re.compile(r"[A-Z][A-Z0-9_]+")
OF_THE_ENVIRONMENT = re.compile(r"(.*\.)?(env|environ|environment|ENVIRON)")
READERS = frozenset({"_require", "_parse"})
"""Functions of ours that take the name of a variable first."""
OF_THE_SYSTEM = {"PATH", "PATH_INFO"}
OTHERWISE_READ = {"DJANGO_SETTINGS_MODULE", "BROKER_DATABASE_URL"}
"""By Django; by the name of a constant."""


@cache
def variables() -> frozenset[str]:
    """Return every variable; ``<CONTEXT>_…`` stands for one per context."""
    trees = (
        ast.parse(path.read_text())
        for package in ("config", "ecommerce", "contexts")
        for path in (settings.BASE_DIR / package).rglob("*.py")
    )
    read = {name for tree in trees for node in ast.walk(tree) for name in _names(node)}
    return frozenset(read - OF_THE_SYSTEM | OTHERWISE_READ)


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
