import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ErrorDetail

from ecommerce.http.renderers import JSONRenderer, to_json
from ecommerce.money import Money


@dataclass(frozen=True)
class Row:
    id: UUID
    price: Money


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("10.50"), "10.50"),
        (Decimal("1E+2"), "1E+2"),
        (Money(Decimal("7")), {"amount": "7.00", "currency": "BRL"}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=timezone(timedelta(hours=-3))), "2026-01-02T03:04:05.000600-03:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (gettext_lazy("Yes"), "Sim"),
        (ErrorDetail("x", code="y"), "x"),
        ({"a": (1, 2), 3: None}, {"a": [1, 2], "3": None}),
        ((n for n in (1, 2)), [1, 2]),
        ({"k": 1}.keys(), ["k"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_travel_as_agreed(value: object, expected: object) -> None:
    assert json.loads(to_json(value)) == expected


def test_dataclasses_are_objects() -> None:
    row = Row(UUID(int=1), Money(Decimal("1.10")))

    assert json.loads(to_json([row])) == [{"id": str(UUID(int=1)), "price": {"amount": "1.10", "currency": "BRL"}}]


def test_json_that_is_made_already_passes_through() -> None:
    assert JSONRenderer().render(b'{"made": "by PostgreSQL"}') == b'{"made": "by PostgreSQL"}'


def test_no_data_is_an_empty_body() -> None:
    assert JSONRenderer().render(None) == b""


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json(object())
