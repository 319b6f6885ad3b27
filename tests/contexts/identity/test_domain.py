"""Documents by their published rules."""

import pytest

from contexts.identity.domain import is_tax_id, masked_tax_id, normalized_tax_id


@pytest.mark.parametrize(
    "text",
    ["529.982.247-25", "11144477735", "11.222.333/0001-81", "12.ABC.345/01DE-35", "12abc34501de35"],
)
def test_a_document_with_right_check_digits_is_accepted(text: str) -> None:
    assert is_tax_id(normalized_tax_id(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "529.982.247-24",
        "111.111.111-11",
        "5299822472",
        "11.222.333/0001-80",
        "00.000.000/0000-00",
        "12.ABC.345/01DE-36",
        "12.ABC.345/01DE-3A",
        "١١١٤٤٤٧٧٧٣٥",
    ],
)
def test_any_other_document_is_refused(text: str) -> None:
    assert not is_tax_id(normalized_tax_id(text))


@pytest.mark.parametrize(
    ("text", "masked"),
    [("52998224725", "***.982.247-**"), ("12ABC34501DE35", "**.***.345/01DE-**"), ("", "")],
)
def test_a_masked_document_shows_its_middle_only(text: str, masked: str) -> None:
    assert masked_tax_id(text) == masked
