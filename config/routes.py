"""Which part of the address space belongs to whom when the contexts run as six services.

Read from the URL conf of a process that holds all contexts. Every gateway is told the rows of :func:`routes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern
from rest_framework.views import APIView

from ecommerce.http.views import StaffView

BACK_OFFICE = "back-office"
"""The process with the admin. It holds every page that no context owns."""
BACK_OFFICE_PORT = 3000
"""Its port beside those of the contexts' processes."""
INSIDE = frozenset({"internal", "health", "ready", "live", "metrics"})
"""What is for neighbours, orchestrators and Prometheus only: first segments that no gateway routes."""
SPOKESMEN = {".well-known": "identity"}
"""Who answers for what every process could answer."""

Path = tuple[str, ...]
"""The segments of a path; the root has none."""


@dataclass(frozen=True, slots=True)
class Owner:
    name: str
    """A context, or the back office."""
    limited: bool
    """Whether its callers are counted. Staff are not, nor are payment gateways, which report what happened."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pattern of the URL conf."""

    pattern: str
    """As written, such as ``api/v1/carts/<uuid:cart_id>``; a regular expression for some of a library's."""
    prefix: Path
    """What comes before its first argument."""
    owner: Owner
    authenticated: bool
    """Whether nobody gets in without an access token, whatever the method."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. Of several that fit, the longest counts."""

    path: str
    """Begins with a slash and ends with none, unless it is the root."""
    owner: Owner
    authenticated: bool = False
    """True when it holds for everything below."""

    @property
    def exact(self) -> bool:
        """The root is the front page, and no prefix of all the rest."""
        return self.path == "/"


class Ambiguous(ImproperlyConfigured):
    """Two contexts claim one prefix: a gateway cannot tell them apart by it."""


def routes() -> list[Route]:
    """Return the table by path, with as few rows as it takes.

    Raises:
        Ambiguous
    """
    return table(offered())


def table(endpoints: Sequence[Endpoint]) -> list[Route]:
    """Return the rows that lead to each endpoint's owner.

    Raises:
        Ambiguous
    """
    rows = dict(_rows((), endpoints, None))
    open_to_guests = {nearest(rows, each.prefix) for each in endpoints if not each.authenticated}
    return [Route("/" + "/".join(path), owner, path not in open_to_guests) for path, owner in sorted(rows.items())]


def nearest(rows: Iterable[Path], path: Path) -> Path | None:
    """Return the longest of ``rows`` that ``path`` begins with, None without one. The root is no beginning."""
    return max((row for row in rows if path[: len(row)] == row and (row or not path)), key=len, default=None)


def offered() -> list[Endpoint]:
    """Return what is there for the outside: the URL conf in its order, and what it does not show."""
    found = _walk(get_resolver(settings.ROOT_URLCONF).url_patterns, "", None)
    return [*(each for each in found if not INSIDE.intersection(each.prefix[:1])), *_unlisted()]


def _unlisted() -> list[Endpoint]:
    """What the URL conf does not show: files, which middleware and web servers serve, and what providers of social
    logins call, which is there once one is configured."""
    files = (settings.STATIC_URL.strip("/"), settings.MEDIA_URL.strip("/"))
    return [
        Endpoint(f"{prefix}/<path:path>", (prefix,), Owner(BACK_OFFICE, limited=False), authenticated=False)
        for prefix in (*files, "accounts")
    ]


def _walk(patterns: Iterable[URLPattern | URLResolver], before: str, context: str | None) -> Iterator[Endpoint]:
    for each in patterns:
        pattern = before + _text(each)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, pattern, _context(each) or context)
        else:
            prefix = _prefix(pattern)
            name = context or SPOKESMEN.get("".join(prefix[:1]), BACK_OFFICE)
            view = getattr(each.callback, "view_class", None) or getattr(each.callback, "cls", None)
            throttles = getattr(view, "throttle_classes", None)
            owner = Owner(name, limited=context is not None and (throttles is None or bool(throttles)))
            yield Endpoint(pattern, prefix, owner, _authenticated(view))


def _text(each: URLPattern | URLResolver) -> str:
    text = str(each.pattern)
    return text.removeprefix("^").removesuffix("$") if isinstance(each.pattern, RegexPattern) else text


def _context(resolver: URLResolver) -> str | None:
    """Return the context whose module was included, None when it is nobody's."""
    module = getattr(resolver.urlconf_name, "__name__", resolver.urlconf_name)
    found = re.match(r"contexts\.(\w+)", module) if isinstance(module, str) else None
    return found.group(1) if found else None


def _prefix(pattern: str) -> Path:
    """Return the segments before the first one with an argument in it."""
    literal = re.split(r"[^\w./-]", pattern, maxsplit=1)[0]
    whole = literal if literal == pattern else literal.rpartition("/")[0]
    return tuple(filter(None, whole.split("/")))


def _authenticated(view: type[Any] | None) -> bool:
    if view is None or not issubclass(view, APIView):
        return False
    decided_by_class = view.get_permissions in (APIView.get_permissions, StaffView.get_permissions)
    return decided_by_class and bool(view.permission_classes)


def _rows(at: Path, under: Sequence[Endpoint], inherited: Owner | None) -> Iterator[tuple[Path, Owner]]:
    """Divide what lies under ``at`` until each part has one owner, who need not be named again below a part of hers."""
    owners = {each.owner for each in under}
    here = owners if at and len(owners) == 1 else {each.owner for each in under if each.prefix == at}
    if len(here) > 1:
        names = ", ".join(sorted(owner.name for owner in here))
        raise Ambiguous(f"/{'/'.join(at)} belongs to {names}: give one of them a path of its own")
    for owner in here:
        if owner != inherited:
            yield at, owner
        inherited = owner if at else None
    if at and len(owners) == 1:
        return
    below = sorted((each for each in under if each.prefix != at), key=lambda each: each.prefix)
    for segment, group in groupby(below, key=lambda each: each.prefix[len(at)]):
        yield from _rows((*at, segment), list(group), inherited)
