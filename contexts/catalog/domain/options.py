"""Options of products and the values that variants take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecommerce.errors import Invalid

MAX_OPTIONS = 3
MAX_VALUES = 100


class InvalidOptions(Invalid):
    """The options of a product, or the values of a variant, do not fit."""

    code = "invalid_options"


@dataclass(frozen=True, kw_only=True)
class Option:
    """A way in which variants differ, and the values it may take, in display order."""

    name: str
    values: tuple[str, ...]


def check_options(options: Sequence[Option]) -> None:
    """Accept at most three options with different names, each with different values.

    Raises:
        InvalidOptions
    """
    names = [option.name for option in options]
    if len(options) > MAX_OPTIONS:
        raise InvalidOptions(f"Um produto tem no máximo {MAX_OPTIONS} opções.")
    if len(set(names)) < len(names):
        raise InvalidOptions("Há opções com o mesmo nome.")
    for option in options:
        if not option.values or len(set(option.values)) < len(option.values) or len(option.values) > MAX_VALUES:
            raise InvalidOptions(f"A opção {option.name} precisa de 1 a {MAX_VALUES} valores diferentes.")


def check_choice(chosen: Mapping[str, str], options: Sequence[Option]) -> None:
    """Accept the values of a variant only if it has exactly one allowed value for each option.

    Raises:
        InvalidOptions
    """
    allowed = {option.name: option.values for option in options}
    if chosen.keys() != allowed.keys():
        wanted = ", ".join(allowed) or "nenhuma opção"
        raise InvalidOptions(f"A variante deve definir: {wanted}.")
    for name, value in chosen.items():
        if value not in allowed[name]:
            raise InvalidOptions(f"{name} deve ser um de: {', '.join(allowed[name])}.")
