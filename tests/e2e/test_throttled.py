"""Where somebody could try one code after the other, or make us ask another service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from pytest_django import Settings

from ecommerce.topology import local_aliases
from tests.e2e.test_ownership import World, call, guest, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=list(local_aliases()))


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Iterator[None]:
    settings.THROTTLE_RATES = {"code": "2/min", "lookup": "2/min"}
    cache.clear()
    yield
    cache.clear()


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("PUT /carts/{cart_id}/coupon", {"code": "GUESS"}),
        ("POST /cart-recoveries", {"token": "guess"}),
        ("GET /cep/{cep}", None),
    ],
)
def test_what_could_be_tried_out_is_limited_by_address(world: World, operation: str, body: object) -> None:  # noqa: F811
    holding = world.carts[1]
    answers = [call(guest(), operation, holding.ids, body=body, headers=holding.headers) for _ in range(3)]

    assert answers[0].status_code != 429
    assert answers[2].status_code == 429
    assert answers[2].headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].headers["RateLimit-Remaining"] == "0"


def test_codes_are_counted_together_wherever_they_are_tried(world: World) -> None:  # noqa: F811
    holding = world.carts[1]
    for _ in range(2):
        call(guest(), "POST /cart-recoveries", {}, body={"token": "guess"})
    answer = call(guest(), "PUT /carts/{cart_id}/coupon", holding.ids, body={"code": "GUESS"}, headers=holding.headers)

    assert answer.status_code == 429
