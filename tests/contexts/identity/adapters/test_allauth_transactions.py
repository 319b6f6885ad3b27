"""Every transaction of the installed django-allauth runs on a database that exists."""

import ast
from collections.abc import Iterator
from pathlib import Path

import allauth
import pytest
from django.db import connections

from contexts.identity.adapters.allauth_transactions import DECORATED, MODULES

PACKAGE = Path(allauth.__file__).parent
NOT_INSTALLED = ("usersessions", "idp", "contrib")


def unnamed(tree: ast.Module) -> Iterator[str]:
    """Yield the functions of a module that use ``transaction.atomic`` or ``on_commit`` without ``using``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Attribute) and decorator.attr in ("atomic", "on_commit"):
                yield f"@{node.name}"
        for call in ast.walk(node):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            named = any(keyword.arg == "using" for keyword in call.keywords)
            if call.func.attr in ("atomic", "on_commit") and not named:
                yield node.name


def test_every_transaction_without_a_database_is_bound() -> None:
    bound = {Path(module.__file__) for module in MODULES}
    decorated = {f"@{name}" for _, name in DECORATED}
    missing = [
        f"{file.relative_to(PACKAGE)}: {function}"
        for file in PACKAGE.rglob("*.py")
        if not {"tests", *NOT_INSTALLED} & set(file.relative_to(PACKAGE).parts)
        for function in unnamed(ast.parse(file.read_text()))
        if function not in decorated and (function.startswith("@") or file not in bound)
    ]
    assert missing == []


def test_nothing_is_bound_that_allauth_does_not_have() -> None:
    found = {name for module in PACKAGE.rglob("*.py") for name in unnamed(ast.parse(module.read_text()))}
    assert {f"@{name}" for _, name in DECORATED} <= found
    for module in MODULES:
        assert list(unnamed(ast.parse(Path(module.__file__).read_text())))


@pytest.mark.django_db(databases=["identity"])
def test_bound_transactions_open_on_identity() -> None:
    before = len(connections["identity"].savepoint_ids)
    with MODULES[0].transaction.atomic():
        assert len(connections["identity"].savepoint_ids) == before + 1
