"""Rows of models, read and written by SQL that is composed once.

The ORM composes its SQL anew for every call, which takes several times as long as sending it. These three functions
keep what they composed, and write all rows of a change by one statement. They are for the paths that every purchase
takes; anywhere else a queryset says more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, groupby
from typing import Any, NamedTuple, TypeVar, cast

from django.db import DatabaseError, connections, models

M = TypeVar("M", bound=models.Model)
V = TypeVar("V")
Field = models.Field[Any, Any]


def fetch(model: type[M], tail: str, parameters: Sequence[Any], *, using: str, related: str = "") -> list[M]:
    """Return the rows of ``model`` that a statement ending with ``tail`` selects: ``WHERE … ORDER BY … FOR UPDATE``.

    One statement. ``related`` names a foreign key whose rows come along. ``tail`` is SQL: names of columns and
    constants, never anything from outside.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(f"{_select(model, related)} {tail}", parameters)
        found = cursor.fetchall()
    if not related:
        return [_loaded(model, row, using) for row in found]
    width = len(_shape(model).fields)
    rows = [_loaded(model, row[:width], using) for row in found]
    for row, values in zip(rows, found, strict=True):
        setattr(row, related, _loaded(_target(model, related), values[width:], using))
    return rows


def insert(rows: Sequence[models.Model], *, using: str, from_now: str = "") -> None:
    """Insert new rows of one or several tables, in the caller's transaction. One statement. Numbers that the database
    gives are not read back. The column ``from_now`` is given as a timedelta: so long from now by the database's clock.

    Foreign keys among them may point in any direction: PostgreSQL checks them when the statement ends.

    Raises:
        IntegrityError
    """
    statements, parameters = _insertions(rows, using, from_now)
    _execute(_joined(statements), parameters, using=using)
    _mark(rows, using)


def update(row: models.Model, columns: Sequence[str], *, using: str, insert: Sequence[models.Model] = ()) -> None:
    """Write ``columns`` of a row that exists, and insert what belongs to the change, in the caller's transaction.

    One statement. Lock the row first. Without a transaction around it what was inserted stays when the row has gone.

    Raises:
        DatabaseError: the row has gone; nothing may be committed.
        IntegrityError
    """
    fields = [row._meta.get_field(name) for name in columns]
    statements, parameters = _insertions(insert, using)
    parameters += _values(row, fields, using)
    parameters.append(row.pk)
    change = _update(type(row), tuple(columns))
    if _execute(_joined((*statements, change)), parameters, using=using) != 1:
        raise DatabaseError(f"{type(row).__name__} {row.pk} has gone")
    _mark(insert, using)


def padded(values: Sequence[V]) -> list[V]:
    """Return ``values`` with the last one repeated up to a power of two, for a list of so many ``%s``.

    So statements with such lists are few, and PostgreSQL plans each for about as many rows as it will find: an array of
    unknown length it takes for ten.
    """
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


class _Shape(NamedTuple):
    fields: tuple[Any, ...]
    given: tuple[Any, ...]
    """The fields whose values we give: all but those that the database numbers."""
    names: list[str]
    converters: tuple[tuple[int, Any], ...]
    """Position and field of every column whose value the database's driver does not give as Python has it."""


@cache
def _shape(model: type[models.Model]) -> _Shape:
    fields = model._meta.concrete_fields
    converters = ((index, field) for index, field in enumerate(fields) if hasattr(field, "from_db_value"))
    given = tuple(field for field in fields if not isinstance(field, models.AutoField))
    return _Shape(fields, given, [field.attname for field in fields], tuple(converters))


@cache
def _select(model: type[models.Model], related: str) -> str:
    table, join, sources = model._meta.db_table, "", [model]
    if related:
        sources.append(target := _target(model, related))
        key, other = cast(Any, model._meta.get_field(related)).column, target._meta
        join = f' JOIN "{other.db_table}" ON "{other.db_table}"."{other.pk.column}" = "{table}"."{key}"'
    columns = (f'"{one._meta.db_table}"."{field.column}"' for one in sources for field in _shape(one).fields)
    return f'SELECT {", ".join(columns)} FROM "{table}"{join}'  # noqa: S608 - the names of our own tables


def _target(model: type[models.Model], related: str) -> Any:
    return model._meta.get_field(related).related_model


def _loaded(model: type[M], values: Sequence[Any], using: str) -> M:
    shape, row = _shape(model), list(values)
    for index, field in shape.converters:
        row[index] = field.from_db_value(row[index], field.cached_col, connections[using])
    return model.from_db(using, shape.names, row)


def _insertions(
    rows: Sequence[models.Model], using: str, from_now: str = ""
) -> tuple[tuple[str, ...], list[Any]]:  # fmt: skip
    """Return one INSERT for each run of rows of one model, and the values of all."""
    runs = [(model, len(list(run))) for model, run in groupby(rows, key=type)]
    values = (_values(row, _shape(type(row)).given, using, adding=True, from_now=from_now) for row in rows)
    return tuple(_insert(*run, from_now) for run in runs), list(chain.from_iterable(values))


@cache
def _insert(model: type[models.Model], count: int, from_now: str) -> str:
    fields = _shape(model).given
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ("clock_timestamp() + %s" if field.name == from_now else "%s" for field in fields)
    row = f"({', '.join(places)})"
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([row] * count)}'  # noqa: S608


@cache
def _update(model: type[models.Model], columns: tuple[str, ...]) -> str:
    meta = model._meta
    changes = ", ".join(f'"{meta.get_field(name).column}" = %s' for name in columns)  # type: ignore[union-attr]
    return f'UPDATE "{meta.db_table}" SET {changes} WHERE "{meta.pk.column}" = %s'  # noqa: S608


@cache
def _joined(statements: tuple[str, ...]) -> str:
    """Return one statement that does what all of ``statements`` do; its row count is the last one's."""
    *first, last = statements
    parts = ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(first))
    return f"WITH {parts} {last}" if first else last


def _values(
    row: models.Model, fields: Iterable[Any], using: str, *, adding: bool = False, from_now: str = ""
) -> list[Any]:  # fmt: skip
    connection = connections[using]
    return [
        getattr(row, from_now)
        if field.name == from_now
        else field.get_db_prep_save(field.pre_save(row, adding), connection)
        for field in fields
    ]


def _execute(statement: str, parameters: Sequence[Any], *, using: str) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def _mark(rows: Iterable[models.Model], using: str) -> None:
    for row in rows:
        row._state.adding, row._state.db = False, using
