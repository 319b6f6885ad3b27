"""One address for every pattern of the URL conf, and where it has to lead."""

from __future__ import annotations

import re
from functools import cache

from config.routes import offered

EXAMPLES = {
    "uuid": "0197a3b0-0000-7000-8000-000000000001",
    "str": "abc",
    "slug": "a-b-c",
    "int": "7",
    "path": "css/a.css",
}
ARGUMENT = re.compile(r"\(\?P<\w+>[^()]*\)|<(?:(\w+):)?\w+>")
CLOSED = ["/internal", "/internal/catalog/get_variants", "/health", "/ready", "/live", "/metrics"]
"""What is never there for the outside."""


def example(pattern: str) -> str:
    """Return an address that fits a pattern as ``config.routes`` gives it."""
    return "/" + ARGUMENT.sub(lambda match: EXAMPLES[match.group(1) or "str"], pattern).replace("\\", "")


@cache
def owners() -> dict[str, str]:
    """Return the name of the owner of every address."""
    return {example(each.pattern): each.owner.name for each in offered()}
