import pytest

from contexts.catalog.domain.attributes import Definition, InvalidAttributes, attribute_faults, check_attributes

DEFINITIONS = [
    Definition("texto", "text"),
    Definition("numero", "number"),
    Definition("sim", "boolean"),
    Definition("torra", "choice", ("Clara", "Escura")),
]


@pytest.mark.parametrize(
    ("code", "value", "fits"),
    [
        ("texto", "algodão", True),
        ("texto", "", False),
        ("texto", "nul\0o", False),
        ("texto", "x" * 501, False),
        ("texto", 1, False),
        ("numero", 1.5, True),
        ("numero", True, False),
        ("numero", "1", False),
        ("sim", False, True),
        ("sim", 0, False),
        ("torra", "Clara", True),
        ("torra", "Forte", False),
        ("torra", ["Clara"], False),
        ("outro", "x", False),
    ],
)
def test_values_have_the_type_of_their_definition(code, value, fits):
    assert (dict(attribute_faults({code: value}, DEFINITIONS)) == {}) == fits


def test_all_faults_are_told_at_once():
    with pytest.raises(InvalidAttributes) as refusal:
        check_attributes({"numero": "x", "sim": "x", "texto": "bom"}, DEFINITIONS)
    assert set(refusal.value.params["attributes"]) == {"numero", "sim"}
