"""What import-linter and ruff cannot see: rules about the code of one module, each a function that yields findings."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

CONTEXTS = ("identity", "catalog", "cart", "order", "promotion", "notification")
LONGEST_FILE = 500
LONGEST_FUNCTION = 60
SIGNALS = ("django.dispatch", "django.db.models.signals", "django.core.signals", "django.contrib.auth.signals")
CLOCKS = ("clock.now", "datetime.now", "datetime.utcnow", "timezone.now", "date.today", "time.time")
TIMELESS = ("domain", "models", "queries", "usecases")
"""Layers that are told the time."""
UNREPEATABLE = ("new_id", "uuid1", "uuid4", "uuid7", "now", "today", "random", "token_hex", "token_urlsafe")
TRANSACTIONS = ("atomic", "on_commit", "set_autocommit", "savepoint")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file; ``path`` is relative to the project."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.path.parts[0]

    @property
    def context(self) -> str:
        """The context it belongs to, empty outside them."""
        return self.path.parts[1] if self.package == "contexts" and len(self.path.parts) > 2 else ""

    @property
    def layer(self) -> str:
        """The layer within its context, such as ``usecases``."""
        return self.path.parts[2].removesuffix(".py") if self.context else ""

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def calls(self) -> list[ast.Call]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full name of everything imported."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found

    @cached_property
    def constants(self) -> dict[str, str]:
        """The strings that have a name at module level."""
        return {
            target.id: node.value.value
            for node in self.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        }


Finding = tuple[int, str]
Rule = Callable[[Module], Iterator[Finding]]


def transactions_name_their_database(module: Module) -> Iterator[Finding]:
    """The platform opens transactions with ``using=``; a context has ``unit_of_work`` and opens none itself."""
    named = {id(call.func) for call in module.calls if any(keyword.arg == "using" for keyword in call.keywords)}
    for node in ast.walk(module.tree):
        name = _name(node)
        if name.rpartition(".")[2] not in TRANSACTIONS or not name.startswith(("transaction.", *TRANSACTIONS)):
            continue
        if module.context:
            yield node.lineno, f"{name} in a context: use unit_of_work"
        elif id(node) not in named:
            yield node.lineno, f"{name} without using="
    for line, name in module.imports:
        if name.startswith("django.db.transaction."):
            yield line, f"{name} imported by itself: write transaction.{name.rpartition('.')[2]}"


def nothing_uses_the_default_connection(module: Module) -> Iterator[Finding]:
    """``django.db.connection`` is the empty alias; ``connections[...]`` names one."""
    for line, name in module.imports:
        if name == "django.db.connection":
            yield line, "django.db.connection is the default alias: use connections[alias]"


def contexts_stay_in_their_database(module: Module) -> Iterator[Finding]:
    """A context names no alias, schema or role but its own."""
    if not module.context:
        return
    others = set(CONTEXTS) - {module.context}
    for node in ast.walk(module.tree):
        for argument in _aliases(node):
            alias = module.constants.get(argument.id) if isinstance(argument, ast.Name) else _text(argument)
            if alias in others:
                yield argument.lineno, f"the database of {alias}"
        if isinstance(node, ast.Constant):
            text = _text(node)
            yield from ((node.lineno, f"the schema of {other}") for other in others if f"{other}_service" in text)


def contexts_find_nothing_by_name(module: Module) -> Iterator[Finding]:
    """``get_model`` and ``import_module`` hide a dependency from import-linter."""
    for node in ast.walk(module.tree):
        last = _name(node).rpartition(".")[2]
        if last == "get_model" or (module.context and last in ("import_module", "__import__", "import_string")):
            yield node.lineno, f"{last} hides what it depends on"


def contexts_have_no_signals(module: Module) -> Iterator[Finding]:
    """Nothing happens behind the back of a use case."""
    if module.context:
        for line, name in module.imports:
            if name.startswith(SIGNALS) or "signals" in name.split("."):
                yield line, f"{name}: call the use case, or publish an event"


def models_take_the_label_of_their_context(module: Module) -> Iterator[Finding]:
    """``Meta.app_label`` disarms the check for relations between contexts."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name == "Meta":
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if any(_name(target) == "app_label" for target in targets):
                    yield statement.lineno, "Meta.app_label"


def use_cases_take_keywords(module: Module) -> Iterator[Finding]:
    """A function that opens a unit of work takes keyword arguments only; what serves it, one plain argument at most."""
    if module.layer != "usecases":
        return
    for function in module.functions:
        if function not in module.tree.body or function.name.startswith("_"):
            continue
        positional = [*function.args.posonlyargs, *function.args.args]
        acts = any(_name(call.func) == "unit_of_work" for call in ast.walk(function) if isinstance(call, ast.Call))
        if len(positional) > (0 if acts else 1) or function.args.vararg:
            yield function.lineno, f"{function.name} takes positional arguments"


def the_time_is_passed_in(module: Module) -> Iterator[Finding]:
    """Domain, models, queries and use cases take ``now``; whoever calls them reads the clock."""
    if module.layer in TIMELESS:
        bare = {name.rpartition(".")[2] for _, name in module.imports if name == "ecommerce.clock.now"}
        for call in module.calls:
            if _name(call.func) in {*CLOCKS, *bare}:
                yield call.lineno, f"{_name(call.func)}() reads the clock"


def only_models_change_a_status(module: Module) -> Iterator[Finding]:
    """Everybody else calls a method that guards the change."""
    if module.context and module.layer not in ("models", "domain", "migrations"):
        for node in ast.walk(module.tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == "status":
                    yield target.lineno, f"{ast.unparse(target)} assigned outside the models"


def contexts_do_not_call_themselves(module: Module) -> Iterator[Finding]:
    """An interface is for the others; its own context has use cases and queries."""
    own = {
        name.rpartition(".")[2]
        for _, name in module.imports
        if module.context and name.startswith(f"contexts.{module.context}.interface.")
    }
    for call in module.calls:
        if _name(call.func) == "connect" and call.args and _name(call.args[0]) in own:
            yield call.lineno, f"{_name(call.args[0])} is this context's own"


def files_are_short(module: Module) -> Iterator[Finding]:
    lines = len(module.text.splitlines())
    if lines > LONGEST_FILE:
        yield lines, f"{lines} lines, and {LONGEST_FILE} are allowed: make it a package of the same name"


def functions_are_short(module: Module) -> Iterator[Finding]:
    for function in module.functions:
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > LONGEST_FUNCTION:
            yield function.lineno, f"{function.name} has {length} lines, and {LONGEST_FUNCTION} are allowed"


def nothing_is_printed(module: Module) -> Iterator[Finding]:
    """Only commands talk to a terminal; everything else logs."""
    if "commands" not in module.path.parts:
        for call in module.calls:
            if _name(call.func) in ("print", "pprint"):
                yield call.lineno, "print"


def nothing_is_left_for_later(module: Module) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            for mark in ("TODO", "FIXME", "XXX", "HACK"):
                if mark in token.string:
                    yield token.start[0], mark


def cases_have_the_same_names_everywhere(module: Module) -> Iterator[Finding]:
    """Processes that share a run must collect the same tests, and a text in a case becomes part of a test's name."""
    decorators = [decorator for function in module.functions for decorator in function.decorator_list]
    tables = [
        statement.value
        for statement in module.tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.List | ast.Tuple)
    ]
    for text in [text for place in [*decorators, *tables] for text in _texts(place)]:
        for call in ast.walk(text):
            if isinstance(call, ast.Call) and _name(call.func).rpartition(".")[2] in UNREPEATABLE:
                yield call.lineno, f"{ast.unparse(call)} in the name of a test"


RULES: tuple[Rule, ...] = (
    transactions_name_their_database,
    nothing_uses_the_default_connection,
    contexts_stay_in_their_database,
    contexts_find_nothing_by_name,
    contexts_have_no_signals,
    models_take_the_label_of_their_context,
    use_cases_take_keywords,
    the_time_is_passed_in,
    only_models_change_a_status,
    contexts_do_not_call_themselves,
    files_are_short,
    functions_are_short,
    nothing_is_printed,
    nothing_is_left_for_later,
)


def _name(node: ast.AST) -> str:
    """Return a dotted name as it is written, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _name(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _texts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the texts that are put together in a case; a dictionary in it does not name it."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _name(node.func) == "str"):
        yield node
    elif not isinstance(node, ast.Dict):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _aliases(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that name a database in one node."""
    if isinstance(node, ast.Subscript) and _name(node.value).rpartition(".")[2] == "connections":
        yield node.slice
    if isinstance(node, ast.Call):
        if _name(node.func).rpartition(".")[2] in ("using", "unit_of_work", "db_manager"):
            yield from node.args
        yield from (keyword.value for keyword in node.keywords if keyword.arg in ("using", "alias", "database"))
