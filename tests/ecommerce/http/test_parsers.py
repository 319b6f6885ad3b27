from typing import Any

import pytest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.codec import MAX_DEPTH
from ecommerce.http.idempotency import fingerprint_of
from ecommerce.http.views import APIView


class Mirror(APIView):
    permission_classes = ()

    def post(self, request: Request) -> Response:
        return Response({"fingerprint": fingerprint_of(request)})


def post(body: str) -> Any:
    return Mirror.as_view()(APIRequestFactory().post("/api/v1/x", body, content_type="application/json"))


@pytest.mark.parametrize(("opening", "inner", "closing"), [("[", "", "]"), ("[", "1", "]"), ('{"a":', "1", "}")])
def test_nesting_has_a_limit_below_that_of_whoever_reads_the_data_on(opening: str, inner: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return opening * depth + (inner or "0" * ("{" in opening)) + closing * depth

    assert post(nested(MAX_DEPTH)).status_code == 200
    for depth in (MAX_DEPTH + 1, 300, 1000):
        answer = post(nested(depth))
        assert (answer.status_code, answer.data["code"]) == (400, "parse_error")


def test_many_objects_beside_each_other_are_no_deep_ones() -> None:
    assert post("[" + ",".join(['{"a":["[","{"]}'] * 500) + "]").status_code == 200
