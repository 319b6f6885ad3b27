"""What a change of a JSON Schema means to those who rely on the released one.

A change must leave both sides able to read each other: today's code reads what the archive holds, and yesterday's code,
still running beside it, reads what is published today. So only fields that may be left out can be added, and
documentation can be reworded. Every other change is incompatible, a widened type as well: readers of the released
schema would refuse it.

Classes are compared by what they hold; their names are documentation, for nobody sees them on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Pairs = frozenset[tuple[str, str]]

DOCUMENTATION = ("$comment", "description", "examples", "title")
FOLLOWED = ("$defs", "$ref", "properties", "required")
"""Keywords that say where the rest is, or are compared together."""


@dataclass(frozen=True)
class Difference:
    """``pointer`` is a JSON Pointer (RFC 6901, fragment) into the released schema; into today's for what is new."""

    pointer: str
    change: str
    compatible: bool = False
    widens: bool = False
    """A limit was raised: harmless to those who send, when those who read were replaced first."""

    def __str__(self) -> str:
        return f"{self.pointer}: {self.change}"


def differences(released: Schema, current: Schema) -> list[Difference]:
    """Return how ``current`` differs from ``released``, each difference once. Order of fields and options is none."""
    return list(dict.fromkeys(_Comparison(released, current).compare(released, current, "#", frozenset())))


@dataclass(frozen=True)
class _Comparison:
    """Two whole schemas, in which the references of their parts are looked up.

    ``above`` holds the pairs of references that lead to a part, so that a class that contains itself is compared once.
    """

    released: Schema
    current: Schema

    def compare(self, old: Schema, new: Schema, pointer: str, above: Pairs) -> Iterator[Difference]:
        if "$ref" in old and "$ref" in new:
            yield from self._keywords(old, new, pointer, above)
            pair = (old["$ref"], new["$ref"])
            if pair not in above:
                parts = _target(self.released, pair[0]), _target(self.current, pair[1])
                yield from self.compare(*parts, pair[0], above | {pair})
            return
        old, new = _resolved(self.released, old), _resolved(self.current, new)
        yield from self._keywords(old, new, pointer, above)
        yield from self._fields(old, new, pointer, above)

    def _fields(self, old: Schema, new: Schema, pointer: str, above: Pairs) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name, part in before.items():
            place = _below(pointer, "properties", name)
            if name not in after:
                yield Difference(place, "field removed")
                continue
            yield from self.compare(part, after[name], place, above)
            if name in must_now - must:
                yield Difference(place, "field newly required")
            elif name in must - must_now:
                yield Difference(place, "field no longer required, while readers of the released schema insist on it")
        for name in (name for name in after if name not in before):
            change = "required field added" if name in must_now else "optional field added"
            yield Difference(_below(pointer, "properties", name), change, compatible=name not in must_now)

    def _keywords(self, old: Schema, new: Schema, pointer: str, above: Pairs) -> Iterator[Difference]:
        if ("anyOf" in old) is not ("anyOf" in new):
            yield Difference(pointer, "one type became several" if "anyOf" in new else "several types became one")
            return
        for keyword in sorted((old.keys() | new.keys()) - {*FOLLOWED}):
            before, after, place = old.get(keyword), new.get(keyword), _below(pointer, keyword)
            if keyword in DOCUMENTATION:
                if before != after:
                    yield Difference(place, "documentation changed", compatible=True)
            elif isinstance(before, dict) and isinstance(after, dict) and keyword != "default":
                yield from self.compare(before, after, place, above)
            elif keyword in ("anyOf", "oneOf") and before and after:
                yield from self._options(before, after, place, above)
            elif keyword == "prefixItems" and before and after and len(before) == len(after):
                for number, (part, now) in enumerate(zip(before, after, strict=True)):
                    yield from self.compare(part, now, _below(place, str(number)), above)
            else:
                yield from _keyword(keyword, (keyword in old, before), (keyword in new, after), place)

    def _options(self, old: Sequence[Schema], new: Sequence[Schema], place: str, above: Pairs) -> Iterator[Difference]:
        """Pair the alternatives that accept the same; what is left on either side was taken away or added."""
        left, added = [], list(new)
        for number, option in enumerate(old):
            here = _below(place, str(number))
            for other in added:
                found = list(self.compare(option, other, here, above))
                if all(difference.compatible for difference in found):
                    yield from found
                    added.remove(other)
                    break
            else:
                left.append((here, option))
        if len(left) == len(added) == 1:
            ((here, option),) = left
            yield from self.compare(option, added[0], here, above)
        else:
            yield from (Difference(here, "alternative removed") for here, _ in left)
            yield from (Difference(place, f"alternative added: {_shown(option)}") for option in added)


def _keyword(keyword: str, before: tuple[bool, Any], after: tuple[bool, Any], place: str) -> Iterator[Difference]:
    """Compare one keyword without parts; each side is whether it is there, and its value."""
    (was, old), (now, new) = before, after
    if not was:
        yield Difference(place, f"{keyword} added: {_shown(new)}")
    elif not now:
        yield Difference(place, f"{keyword} removed: {_shown(old)}")
    elif keyword == "enum":
        removed, added = [value for value in old if value not in new], [value for value in new if value not in old]
        if removed:
            yield Difference(place, f"values removed: {_shown(removed)}")
        if added:
            yield Difference(place, f"values added: {_shown(added)}")
    elif keyword == "maxItems" and old < new:
        yield Difference(place, f"limit raised from {old} to {new}", widens=True)
    elif _shown(old) != _shown(new):
        yield Difference(place, f"{keyword} changed from {_shown(old)} to {_shown(new)}")


def _resolved(root: Schema, part: Schema) -> Schema:
    """Return a part with what it refers to; its own keywords come first."""
    if "$ref" not in part:
        return part
    return {**_resolved(root, _target(root, part["$ref"])), **{name: part[name] for name in part if name != "$ref"}}


def _target(root: Schema, reference: str) -> Schema:
    part: Any = root
    for step in reference.removeprefix("#/").split("/"):
        part = part[step.replace("~1", "/").replace("~0", "~")]
    return dict(part)


def _below(pointer: str, *steps: str) -> str:
    return "/".join((pointer, *(step.replace("~", "~0").replace("/", "~1") for step in steps)))


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
