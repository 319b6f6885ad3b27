from typing import Any

import pytest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.http.conditional import PreconditionFailed, PreconditionRequired, cacheable, etag_of, require_match
from ecommerce.http.views import APIView


class Products(APIView):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return cacheable(request, {"name": "Caneca"}, seconds=60)

    def patch(self, request: Request) -> Response:
        require_match(request, 7)
        return Response(headers={"ETag": etag_of(8)})


def call(method: str, **headers: str) -> Any:
    return Products.as_view()(APIRequestFactory().generic(method, "/api/v1/products", headers=headers)).render()


@pytest.mark.parametrize("header", ['"7"', '"6", "7"', "*", ' "7" '])
def test_the_version_that_was_seen_may_be_changed(header: str) -> None:
    assert call("PATCH", **{"If-Match": header})["ETag"] == '"8"'


@pytest.mark.parametrize("header", ['"6"', 'W/"7"', "7", '"77"', '"6", W/"7"'])
def test_another_version_is_refused_with_the_present_one(header: str) -> None:
    response = call("PATCH", **{"If-Match": header})

    assert (response.status_code, response.data["code"]) == (412, PreconditionFailed.code)
    assert response.data["etag"] == '"7"'


def test_a_change_must_name_the_version_it_saw() -> None:
    response = call("PATCH")

    assert (response.status_code, response.data["code"]) == (428, PreconditionRequired.code)


def test_an_answer_that_the_client_has_is_not_sent_again() -> None:
    first = call("GET")
    again = call("GET", **{"If-None-Match": f'"old", W/{first["ETag"]}'})

    assert first.data == b'{"name":"Caneca"}'
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == first["Cache-Control"] == "public, max-age=60"
    assert call("GET", **{"If-None-Match": '"old"'}).status_code == 200


def test_an_answer_to_somebody_known_is_not_shared(token: Any) -> None:
    response = call("GET", Authorization=f"Bearer {token()}")

    assert response["Cache-Control"] == "private, no-cache"
    assert response["Vary"] == "Authorization"
