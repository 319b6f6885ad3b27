"""What staff sees of links."""

import pytest

from ecommerce.links import without_tokens


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.example/a?token=abc.d-e_f e mais", "https://x.example/a?token=… e mais"),
        ('<a href="/a?b=1&amp;token=abc">token=abc</a>', '<a href="/a?b=1&amp;token=…">token=abc</a>'),
        ('{"recovery_path":"/r?token=abc%3D","pieces":2}', '{"recovery_path":"/r?token=…","pieces":2}'),
        ("/pedidos/1?access_token=abc&x=1", "/pedidos/1?access_token=…&x=1"),
        ("nenhum link", "nenhum link"),
    ],
)
def test_tokens_of_links_are_blanked(text: str, shown: str) -> None:
    assert without_tokens(text) == shown
