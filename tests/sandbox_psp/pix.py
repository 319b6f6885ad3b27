"""The text behind a Pix QR code ("copia e cola"): a BR Code. Pure.

Source: Banco Central do Brasil, "Manual de Padrões para Iniciação do Pix", sections 2.7.1 (static) and 2.7.2
(dynamic), a profile of EMV QRCPS merchant-presented mode: fields of two-digit id, two-digit length and value, closed by
field 63, the CRC16-CCITT (polynomial 0x1021, start 0xFFFF) of everything before its four hexadecimal digits.
"""

import unicodedata
from binascii import crc_hqx

GUI = "br.gov.bcb.pix"
MAXIMUM_LOCATION = 77


def dynamic_code(*, location: str, merchant: str, city: str, amount: str = "") -> str:
    """Return the BR Code of one charge whose payload lies at ``location`` (an URL without ``https://``).

    The transaction id stays at the location, as the manual demands: field 62-05 is ``***``.

    Raises:
        ValueError: ``location`` is longer than 77 characters.
    """
    if len(location) > MAXIMUM_LOCATION:
        raise ValueError("a Pix location has at most 77 characters")
    head = _field("01", "12") + _field("26", _field("00", GUI) + _field("25", location))
    return _code(head, merchant=merchant, city=city, amount=amount, reference="***")


def static_code(*, key: str, merchant: str, city: str, amount: str = "", reference: str = "***") -> str:
    """Return the BR Code that pays to a Pix key; ``reference`` has at most 25 letters and digits."""
    head = _field("26", _field("00", GUI) + _field("01", key))
    return _code(head, merchant=merchant, city=city, amount=amount, reference=reference)


def crc16(text: str) -> str:
    """Return the CRC16-CCITT of ``text`` as four upper-case hexadecimal digits."""
    return f"{crc_hqx(text.encode(), 0xFFFF):04X}"


def _code(head: str, *, merchant: str, city: str, amount: str, reference: str) -> str:
    body = "".join(
        (
            _field("00", "01"),
            head,
            _field("52", "0000"),
            _field("53", "986"),
            _field("54", amount) if amount else "",
            _field("58", "BR"),
            _field("59", _plain(merchant)[:25]),
            _field("60", _plain(city)[:15]),
            _field("62", _field("05", reference)),
            "6304",
        )
    )
    return body + crc16(body)


def _field(identifier: str, value: str) -> str:
    return f"{identifier}{len(value):02}{value}"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
