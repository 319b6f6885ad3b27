import pytest

from contexts.catalog.domain.options import InvalidOptions, Option, check_choice, check_options

COLOUR, SIZE = Option(name="Cor", values=("Azul", "Verde")), Option(name="Tamanho", values=("P",))


@pytest.mark.parametrize("options", [[], [COLOUR], [COLOUR, SIZE]])
def test_options_that_differ_are_accepted(options):
    check_options(options)


@pytest.mark.parametrize(
    "options",
    [
        [COLOUR, COLOUR],
        [Option(name="Cor", values=())],
        [Option(name="Cor", values=("Azul", "Azul"))],
        [Option(name=str(number), values=("a",)) for number in range(4)],
        [Option(name="Cor", values=tuple(map(str, range(101))))],
    ],
)
def test_options_that_repeat_or_are_too_many_are_refused(options):
    with pytest.raises(InvalidOptions):
        check_options(options)


@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        ({"Cor": "Azul", "Tamanho": "P"}, True),
        ({"Cor": "Azul"}, False),
        ({"Cor": "Roxo", "Tamanho": "P"}, False),
        ({"Cor": "Azul", "Tamanho": "P", "Voltagem": "110"}, False),
    ],
)
def test_a_variant_has_one_allowed_value_for_each_option(chosen, fits):
    if fits:
        check_choice(chosen, [COLOUR, SIZE])
    else:
        with pytest.raises(InvalidOptions):
            check_choice(chosen, [COLOUR, SIZE])
