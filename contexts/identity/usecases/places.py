"""What a postal code tells."""

import re

from contexts.identity.adapters.cep import Place, find_place
from contexts.identity.domain import CEP
from ecommerce.errors import Invalid


class InvalidCep(Invalid):
    code = "cep_invalid"


def look_up_cep(*, cep: str) -> Place:
    """Return the place of a postal code, written with or without punctuation.

    Raises:
        InvalidCep: not eight digits.
        CepNotFound: there is no such postal code.
        CepLookupUnavailable: no service is configured, or it failed; the address can still be typed.
    """
    digits = re.sub(r"[\s.-]", "", cep)
    if not CEP.fullmatch(digits):
        raise InvalidCep("Um CEP tem oito dígitos.")
    return find_place(digits)
