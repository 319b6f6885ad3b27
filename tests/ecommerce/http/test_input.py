"""What views are sent, checked by serializers that are kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import override
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from ecommerce.http.input import validated


class Form(serializers.Serializer[Any]):
    word = serializers.CharField(max_length=3)
    number = serializers.IntegerField(required=False, default=7)


def refusal(data: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        validated(Form, data)
    return str(refused.value.detail["word"][0])


def test_one_body_leaves_nothing_for_the_next() -> None:
    assert validated(Form, {"word": "abc", "number": 1}) == {"word": "abc", "number": 1}
    assert validated(Form, {"word": "de"}) == {"word": "de", "number": 7}
    refusal({})
    assert validated(Form, {"word": "de"}) == {"word": "de", "number": 7}


def test_a_part_may_be_enough() -> None:
    assert validated(Form, {}, partial=True) == {}
    refusal({})


def test_refusals_are_worded_in_the_language_of_each_request() -> None:
    with override("en"):
        english = refusal({"word": "too long"})
    with override("pt-br"):
        portuguese = refusal({"word": "too long"})
    assert english == "Ensure this field has no more than 3 characters."
    assert portuguese != english
