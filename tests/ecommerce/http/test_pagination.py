from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.http.pagination import CursorPage, InvalidCursor, decode_cursor, encode_cursor
from ecommerce.http.views import APIView

ROWS = [{"n": n} for n in range(1, 8)]


class Numbers(APIView):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        page = CursorPage.from_request(request, default=3, maximum=5)
        after = page.after[0] if page.after else 0
        rows = [row for row in ROWS if row["n"] > after][: page.limit + 1]
        return page.respond(rows, key=lambda row: [row["n"]], facets={"odd": 4})


def get(url: str) -> Any:
    return Numbers.as_view()(APIRequestFactory().get(url))


def page_of(query: str, types: Sequence[type] = ()) -> CursorPage:
    return CursorPage.from_request(Request(APIRequestFactory().get(f"/x?{query}")), types=types)


def test_following_next_visits_every_row_once() -> None:
    url, seen = "/api/v1/numbers?color=blue", []
    while url:
        data = get(url).data
        seen += [row["n"] for row in data["results"]]
        url = data["next"]

    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_next_is_an_absolute_url_that_keeps_the_filters() -> None:
    url = urlsplit(get("/api/v1/numbers?color=blue&limit=2").data["next"])

    assert (url.scheme, url.netloc, url.path) == ("http", "testserver", "/api/v1/numbers")
    query = parse_qs(url.query)
    assert (query["color"], query["limit"]) == (["blue"], ["2"])


def test_a_page_may_have_more_members() -> None:
    assert get("/api/v1/numbers").data["facets"] == {"odd": 4}


def test_the_limit_is_capped() -> None:
    assert len(get("/api/v1/numbers?limit=1000").data["results"]) == 5
    assert get("/api/v1/numbers?limit=99999999999999999999").status_code == 200


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "٣", "+3"])
def test_a_limit_that_is_no_positive_number_is_refused(limit: str) -> None:
    with pytest.raises(ValidationError):
        page_of(f"limit={limit}".replace("+", "%2B"))


@pytest.mark.parametrize("cursor", ["x", "!!!!", "WzFd.", encode_cursor([1])[:-1], "eyJhIjoxfQ", "A" * 2000, "é"])
def test_a_tampered_cursor_is_a_bad_request(cursor: str) -> None:
    response = get(f"/api/v1/numbers?cursor={cursor}")

    assert (response.status_code, response.data["code"]) == (400, "invalid_cursor")
    assert response.data["errors"][0]["pointer"] == "/cursor"


def test_typed_keys_come_back_as_they_went() -> None:
    key = [datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), UUID(int=7)]

    assert page_of(f"cursor={encode_cursor(key)}", types=(datetime, UUID)).after == key
    assert decode_cursor(encode_cursor(key)) == ["2026-01-02T03:04:05.000006Z", str(UUID(int=7))]


@pytest.mark.parametrize("key", [["2026-01-02"], [1, str(UUID(int=7))], ["2026-01-02T00:00:00Z", "x"], []])
def test_a_key_of_other_types_is_refused(key: list[Any]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(key), types=(datetime, UUID))


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("0001-01-01T00:00:00+23:59", datetime),
        ("9999-12-31T23:59:59-23:59", datetime),
        ("2026-01-02T00:00:00", datetime),
        ("1e-20000", Decimal),
        ("1e200000", Decimal),
        ("NaN", Decimal),
        (10**50, int),
        ("a\0b", str),
    ],
)
def test_a_key_that_postgresql_cannot_compare_is_refused(value: Any, type_: type) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor([value]), types=(type_,))
