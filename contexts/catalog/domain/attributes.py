"""Typed attributes of products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecommerce.errors import Invalid

MAX_TEXT = 500


class InvalidAttributes(Invalid):
    """``attributes`` maps each wrong code to what is wrong with it."""

    code = "invalid_attributes"


@dataclass(frozen=True)
class Definition:
    """What an attribute may hold: ``type`` is text, number, boolean or choice."""

    code: str
    type: str
    choices: tuple[str, ...] = ()


def check_attributes(values: Mapping[str, Any], definitions: Iterable[Definition]) -> None:
    """Accept ``values`` only if every code is defined and every value has its type.

    Raises:
        InvalidAttributes: with all faults at once.
    """
    faults = dict(attribute_faults(values, definitions))
    if faults:
        raise InvalidAttributes("Há atributos inválidos.", attributes=faults)


def attribute_faults(values: Mapping[str, Any], definitions: Iterable[Definition]) -> Iterator[tuple[str, str]]:
    """Yield each wrong code with what is wrong with it."""
    known = {definition.code: definition for definition in definitions}
    for code, value in values.items():
        if code not in known:
            yield code, "Atributo desconhecido."
        elif fault := _fault(value, known[code]):
            yield code, fault


def _fault(value: Any, definition: Definition) -> str:
    if definition.type == "boolean":
        return "" if isinstance(value, bool) else "Deve ser verdadeiro ou falso."
    if definition.type == "number":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number else "Deve ser um número."
    if definition.type == "choice":
        return "" if value in definition.choices else f"Deve ser um de: {', '.join(definition.choices)}."
    text = isinstance(value, str) and 0 < len(value) <= MAX_TEXT and "\0" not in value
    return "" if text else f"Deve ser um texto de 1 a {MAX_TEXT} letras."
