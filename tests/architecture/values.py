"""Example values of the types that contracts and events are made of, for hypothesis."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ecommerce.money import EXPONENTS, Money, quantum

SCALARS: dict[Any, SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=2),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Money: st.builds(
        lambda units, currency: Money(units * quantum(currency), currency),
        st.integers(-(10**12), 10**12),
        st.sampled_from(sorted(EXPONENTS)),
    ),
}
"""What may travel. A float is missing on purpose, and so is anything that could be anything."""


class NotPlain(TypeError):
    """A type that a contract must not use."""


def values(of: Any) -> SearchStrategy[Any]:
    """Return a strategy for ``of``: a scalar, a list, a dictionary with text keys, an optional, a frozen dataclass.

    Raises:
        NotPlain: it is anything else, or holds anything else.
    """
    if of in SCALARS:
        return SCALARS[of]
    origin, arguments = get_origin(of), get_args(of)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin in (list, Sequence):
        return st.lists(values(arguments[0]), max_size=3)
    if origin in (dict, Mapping) and arguments[0] in (str, UUID):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if isinstance(of, type) and is_dataclass(of) and of.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        hints = get_type_hints(of)
        return st.builds(of, **{field.name: values(hints[field.name]) for field in fields(of)})
    raise NotPlain(f"{of} cannot travel")
