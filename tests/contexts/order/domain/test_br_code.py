from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.order.domain import br_code
from contexts.order.domain.br_code import BRCode, BRCodeInvalid
from ecommerce.ids import new_id
from ecommerce.money import Money
from tests.vectors import BRAZIL

PUBLISHED = [entry for entry in BRAZIL["br_code"] if not entry.get("damaged")]
DAMAGED = [entry for entry in BRAZIL["br_code"] if entry.get("damaged")]
WRITABLE = [entry for entry in PUBLISHED if br_code.GUI in entry["text"] and "-09" not in entry.get("reference", "")]
"""Not with the GUI in capitals, and not with a reference that the manual would not allow."""
STATIC = BRCode(key="ana@example.com", merchant="Loja", city="São Paulo", amount=Money(Decimal("60.00")))
DYNAMIC = BRCode(url="pix.example.com/qr/1", merchant="Loja", city="São Paulo", amount=Money(Decimal("60.00")))


def of(published) -> BRCode:
    said = {name: published[name] for name in ("key", "url", "description", "reference") if name in published}
    amount = Money(Decimal(published["amount"])) if "amount" in published else None
    return BRCode(merchant=published["merchant"], city=published["city"], amount=amount, **said)


@pytest.mark.parametrize(("text", "crc"), [("123456789", "29B1"), ("", "FFFF"), ("A", "B915")])
def test_the_crc_is_ccitt_false(text, crc):
    assert br_code.crc16(text) == crc


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published["text"][-4:])
def test_published_codes_are_read(published):
    assert br_code.decode(published["text"]) == of(published)


@pytest.mark.parametrize("published", WRITABLE, ids=lambda published: published["text"][-4:])
def test_published_codes_are_written_to_the_letter(published):
    assert br_code.encode(of(published)) == published["text"]


def test_enough_of_them_are_written():
    assert {entry["text"][-4:] for entry in WRITABLE} == {"1D3D", "64E4", "A31A", "76B9"}


@pytest.mark.parametrize("published", DAMAGED, ids=lambda published: published["text"][-4:])
def test_a_right_crc_does_not_make_a_code(published):
    assert br_code.crc16(published["text"][:-4]) == published["text"][-4:]
    with pytest.raises(BRCodeInvalid):
        br_code.decode(published["text"])


def test_names_lose_their_accents_and_what_is_too_long():
    code = replace(STATIC, merchant="Açaí & Cia. do Norte e do Nordeste", city="São José dos Campos")
    assert br_code.decode(br_code.encode(code)) == replace(
        code, merchant="Acai & Cia. do Norte e do", city="Sao Jose dos Ca"
    )


@pytest.mark.parametrize("place", [0, 10, 40, -9, -5, -1])
def test_a_changed_character_is_noticed(place):
    text = br_code.encode(STATIC)
    changed = "1" if text[place] != "1" else "2"
    damaged = text[:place] + changed + (text[place + 1 :] if place != -1 else "")
    with pytest.raises(BRCodeInvalid):
        br_code.decode(damaged)


def rewritten(text: str, old: str, new: str) -> str:
    """Return a code with something replaced and a CRC that is right."""
    assert old in text
    body = text[:-4].replace(old, new)
    return body + br_code.crc16(body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5303986", "5303840"), ("br.gov.bcb.pix", "br.gov.bcb.xip"), ("540560.00", "54056O.00"),
        ("540560.00", "540560..0"), ("540560.00", "54060.0001"), ("5802BR", "5802US"), ("000201", "000202"),
    ],
)  # fmt: skip
def test_what_is_no_pix_in_reais_is_refused(old, new):
    with pytest.raises(BRCodeInvalid):
        br_code.decode(rewritten(br_code.encode(STATIC), old, new))


def test_the_bank_of_the_payer_may_write_the_amount_shorter():
    text = rewritten(br_code.encode(STATIC), "540560.00", "540260")
    assert br_code.decode(text).amount == STATIC.amount


@pytest.mark.parametrize(
    ("code", "amount", "fine"),
    [
        (STATIC, "60.00", True), (STATIC, "60.01", False), (replace(STATIC, amount=None), "60.00", False),
        (DYNAMIC, "60.00", True), (DYNAMIC, "6.00", False), (replace(DYNAMIC, amount=None), "60.00", True),
    ],
)  # fmt: skip
def test_a_code_is_checked_against_the_amount_that_was_asked_for(code, amount, fine):
    text = br_code.encode(code)
    if fine:
        assert br_code.check(text, amount=Money(Decimal(amount))).merchant == "Loja"
    else:
        with pytest.raises(BRCodeInvalid, match="asks for"):
            br_code.check(text, amount=Money(Decimal(amount)))


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "a" * 26}, {"reference": "pedido-1"}, {"reference": ""}, {"key": "k" * 78},
        {"description": "d" * 80}, {"key": "chavé"}, {"amount": Money(Decimal("0.00"))},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(BRCodeInvalid):
        br_code.encode(replace(STATIC, **changes))


def test_a_url_that_is_too_long_is_refused():
    br_code.encode(replace(DYNAMIC, url="u" * 77))
    with pytest.raises(BRCodeInvalid):
        br_code.encode(replace(DYNAMIC, url="u" * 78))


@pytest.mark.parametrize("changes", [{"url": "x"}, {"key": ""}, {"amount": Money(Decimal("1.00"), "USD")}])
def test_a_code_is_static_or_dynamic_and_in_reais(changes):
    with pytest.raises(BRCodeInvalid):
        replace(STATIC, **changes)


@pytest.mark.parametrize(
    ("text", "fine"),
    [("a" * 25, False), ("a" * 26, True), ("A1" * 17 + "z", True), ("a" * 36, False), ("-" * 30, False)],
)
def test_txids(text, fine):
    assert br_code.is_txid(text) is fine


def test_the_id_of_an_attempt_is_a_txid():
    assert br_code.is_txid(new_id().hex)


@given(
    key=st.text("abcdefghij0123456789@.-+", min_size=1, max_size=77),
    merchant=st.text(min_size=1, max_size=40),
    amount=st.none() | st.integers(1, 10**9).map(lambda cents: Money(Decimal(cents).scaleb(-2))),
    reference=st.text("abcXYZ0189", min_size=1, max_size=25),
)
def test_what_is_written_can_be_read(key, merchant, amount, reference):
    code = BRCode(key=key, merchant=merchant, city="Brasília", amount=amount, reference=reference)
    try:
        text = br_code.encode(code)
    except BRCodeInvalid:
        assert not merchant.isprintable()
        return
    read = br_code.decode(text)
    assert (read.key, read.amount, read.reference, read.city) == (key, amount, reference, "Brasilia")
