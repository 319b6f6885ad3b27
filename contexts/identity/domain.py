"""Brazilian documents and addresses, and what a name is."""

import re

STATES = (
    "AC AL AP AM BA CE DF ES GO MA MT MS MG PA PB PR PE PI RJ RN RS RO RR SC SP SE TO".split()  # noqa: SIM905
)
"""The 27 federative units."""

CEP = re.compile(r"[0-9]{8}")
IBGE_CODE = re.compile(r"[0-9]{7}")

_CPF = re.compile(r"[0-9]{11}")
_CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


_NO_NAME = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029/@]|www\.|[^\W\d_]{2,}\.[^\W\d_]{2,}", re.IGNORECASE)


def is_name(text: str) -> bool:
    """Tell whether ``text`` may be somebody's name: one line, and nothing in it that a mail program makes a link of.

    A name stands in mails to an address of which nobody has proved yet that it is theirs.
    """
    return not _NO_NAME.search(text)


def normalized_tax_id(text: str) -> str:
    """Return a CPF or CNPJ without punctuation, letters in upper case. It is not checked."""
    return re.sub(r"[\s./-]", "", text).upper()


def is_tax_id(text: str) -> bool:
    """Tell whether ``text``, already normalized, is a CPF or a CNPJ with right check digits."""
    return is_cpf(text) or is_cnpj(text)


def is_cpf(text: str) -> bool:
    """Tell whether ``text`` is a CPF: eleven digits, the last two by modulo 11. Repeated digits are refused."""
    if not _CPF.fullmatch(text) or len(set(text)) == 1:
        return False
    values = [int(digit) for digit in text]
    return all(values[size] == _check_digit(values[:size], tuple(range(size + 1, 1, -1))) for size in (9, 10))


def is_cnpj(text: str) -> bool:
    """Tell whether ``text`` is a CNPJ, numeric or alphanumeric.

    Twelve of ``[0-9A-Z]`` and two check digits by modulo 11 on ASCII code minus 48 (Receita Federal, Instrução
    Normativa 2.229/2024).
    """
    if not _CNPJ.fullmatch(text) or len(set(text)) == 1:
        return False
    values = [ord(character) - 48 for character in text]
    return all(values[size] == _check_digit(values[:size], _CNPJ_WEIGHTS[-size:]) for size in (12, 13))


def _check_digit(values: list[int], weights: tuple[int, ...]) -> int:
    rest = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest


def masked_tax_id(text: str) -> str:
    """Return a CPF or CNPJ for display to others: only the middle is legible."""
    if len(text) == 11:
        return f"***.{text[3:6]}.{text[6:9]}-**"
    if len(text) == 14:
        return f"**.***.{text[5:8]}/{text[8:12]}-**"
    return ""


def is_spelled_as_sent(domain: str) -> bool:
    """Tell whether a domain, in lower case, is the name that mail is sent to: encoding it for the wire (IDNA 2003, as
    Python's mail does) and reading it back changes nothing."""
    try:
        return domain.encode("idna").decode("idna") == domain
    except UnicodeError:
        return False
