import json
import logging
from typing import Any

import pytest
from django.core import exceptions as django_errors
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from ecommerce.errors import Conflict, DomainError, Forbidden, Invalid, Kind, NotFound, Unauthorized, Unavailable
from ecommerce.http import errors
from ecommerce.http.titles import BY_CODE
from ecommerce.http.views import APIView
from ecommerce.observability import context


class OutOfStock(Conflict):
    code = "out_of_stock"


class Declined(DomainError):
    code = "card_declined"
    kind = Kind.PAYMENT_REQUIRED


class Line(serializers.Serializer[Any]):
    sku = serializers.CharField()
    quantity = serializers.IntegerField(min_value=1)


class Basket(serializers.Serializer[Any]):
    lines = Line(many=True)
    labels = serializers.DictField(child=serializers.IntegerField(), required=False)
    numbers = serializers.ListField(child=serializers.IntegerField(), required=False)

    def validate(self, attrs: Any) -> Any:
        if len(attrs["lines"]) > 2:
            raise serializers.ValidationError("at most two", code="too_many")
        return attrs


class Raising(APIView):
    permission_classes = ()
    error: Exception = RuntimeError()

    def get(self, request: Request) -> Response:
        raise self.error

    def post(self, request: Request) -> Response:
        Basket(data=request.data).is_valid(raise_exception=True)
        return Response()


def raised(error: Exception, **headers: str) -> Response:
    view = Raising.as_view(error=error)
    response: Response = view(APIRequestFactory().get("/api/v1/carts/7", headers=headers)).render()
    return response


def posted(body: Any, content_type: str = "application/json", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = APIRequestFactory().generic("POST", "/api/v1/x", data, content_type=content_type, headers=headers)
    return Raising.as_view()(request).render()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(), 404),
        (Conflict(), 409),
        (Invalid(), 422),
        (Unauthorized(), 401),
        (Forbidden(), 403),
        (Unavailable(), 503),
        (Declined(), 402),
    ],
)
def test_the_kind_of_a_refusal_is_its_status(error: DomainError, status: int) -> None:
    assert raised(error).status_code == status


def test_who_must_prove_who_they_are_is_told_how() -> None:
    assert raised(Unauthorized())["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in raised(Forbidden())


def test_every_kind_has_a_status_and_titles() -> None:
    for kind in Kind:
        error = type("Refusal", (DomainError,), {"kind": kind, "code": "refusal"})()
        assert raised(error).data["title"]
        assert errors.STATUS[kind] >= 400


def test_a_refusal_carries_its_facts() -> None:
    with context.bound(correlation_id="abc") as bound:
        response = raised(OutOfStock("Faltam 2 peças.", shortages=[{"sku": "A", "missing": 2}], status=200, code="x"))

    assert response["Content-Type"] == "application/problem+json"
    assert (response["Content-Language"], response["Cache-Control"]) == ("pt-br", "no-store")
    assert json.loads(response.content) == {
        "type": "urn:problem:out_of_stock",
        "title": "Conflito com o estado atual",
        "status": 409,
        "detail": "Faltam 2 peças.",
        "instance": "/api/v1/carts/7",
        "code": "out_of_stock",
        "trace_id": bound.trace_id,
        "correlation_id": "abc",
        "shortages": [{"sku": "A", "missing": 2}],
    }


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("", "Não encontrado"),
        ("en-US,en;q=0.9", "Not found"),
        ("pt-PT", "Não encontrado"),
        ("de, en;q=0.5", "Not found"),
        ("en;q=0.3, pt-BR;q=0.9", "Não encontrado"),
        ("de", "Não encontrado"),
        ("*", "Não encontrado"),
        (";;;,,", "Não encontrado"),
    ],
)
def test_titles_follow_the_language_of_the_client(header: str, title: str) -> None:
    assert raised(NotFound(), **{"Accept-Language": header}).data["title"] == title


def test_a_code_may_have_a_title_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_CODE, "card_declined", ("Cartão recusado", "Card declined"))

    assert raised(Declined(), **{"Accept-Language": "en"}).data["title"] == "Card declined"


def test_a_refusal_says_when_to_come_back() -> None:
    assert raised(Unavailable("", retry_after=7))["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (drf.NotAuthenticated(), 401, "not_authenticated"),
        (drf.PermissionDenied(), 403, "permission_denied"),
        (drf.NotFound(), 404, "not_found"),
        (drf.ParseError("bad"), 400, "parse_error"),
        (Http404(), 404, "not_found"),
        (django_errors.PermissionDenied(), 403, "permission_denied"),
        (django_errors.SuspiciousOperation("path"), 400, "bad_request"),
        (django_errors.RequestDataTooBig(), 413, "too_large"),
        (django_errors.ValidationError({"name": ["short"]}), 400, "validation_error"),
    ],
)
def test_errors_of_the_frameworks_are_problems_too(error: Exception, status: int, code: str) -> None:
    response = raised(error)

    assert (response.status_code, response.data["code"], response.data["status"]) == (status, code, status)
    assert response.data["type"] == f"urn:problem:{code}"


def test_details_of_django_errors_stay_inside() -> None:
    assert "secret" not in raised(Http404("secret table")).content.decode()
    assert "secret" not in raised(django_errors.SuspiciousOperation("secret path")).content.decode()


def test_a_wrong_method_is_told_which_are_right() -> None:
    response = Raising.as_view()(APIRequestFactory().delete("/api/v1/x")).render()

    assert response.status_code == 405
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_wrong_content_type_is_refused() -> None:
    response = posted(b"a=1", content_type="application/x-www-form-urlencoded")

    assert (response.status_code, response.data["code"]) == (415, "unsupported_media_type")


def test_malformed_json_is_named_and_placed() -> None:
    response = posted(b'{"lines": [1,}')

    assert (response.status_code, response.data["code"]) == (400, "parse_error")
    assert "line 1" in response.data["detail"]


@pytest.mark.parametrize("body", [b"\xff\xfe", b"NaN", b"", b'{"lines": Infinity}'])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    assert posted(body).status_code == 400


def test_a_body_that_is_too_long_is_not_read_to_its_end(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20

    assert posted({"lines": []}).status_code == 200
    response = posted({"lines": [], "note": "x" * 20})
    assert (response.status_code, response.data["code"]) == (413, "too_large")


def test_each_invalid_field_has_a_pointer() -> None:
    response = posted(
        {"lines": [{"sku": "A", "quantity": 0}, {"quantity": 1}], "labels": {"a/b~c": "x"}, "numbers": [1, "x"]},
        **{"Accept-Language": "en"},
    )

    assert (response.status_code, response.data["code"]) == (400, "validation_error")
    assert [(each["pointer"], each["code"]) for each in response.data["errors"]] == [
        ("/lines/0/quantity", "min_value"),
        ("/lines/1/sku", "required"),
        ("/labels/a~1b~0c", "invalid"),
        ("/numbers/1", "invalid"),
    ]


def test_an_error_of_the_whole_body_points_at_the_whole() -> None:
    response = posted({"lines": [{"sku": "A", "quantity": 1}] * 3})

    assert response.data["errors"] == [{"pointer": "", "code": "too_many", "detail": "at most two"}]
    assert response.data["detail"] == "at most two"


def test_a_body_of_the_wrong_type_is_a_bad_request() -> None:
    assert posted([1, 2]).data["errors"][0]["pointer"] == ""


def test_an_unexpected_error_tells_nothing_and_is_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="django.request"):
        response = raised(RuntimeError("password=hunter2"))

    assert (response.status_code, response.data["code"]) == (500, "internal_error")
    assert "hunter2" not in response.content.decode()
    (record,) = caplog.records
    assert record.exc_info
    assert "hunter2" in str(record.exc_info[1])


@pytest.fixture
def api() -> HttpRequest:
    return RequestFactory().get("/api/v1/nothing")


def test_outside_rest_views_the_api_speaks_problems_too(api: HttpRequest) -> None:
    for response, status in (
        (errors.handler400(api, django_errors.SuspiciousOperation()), 400),
        (errors.handler403(api, django_errors.PermissionDenied()), 403),
        (errors.handler404(api, Http404()), 404),
        (errors.handler500(api), 500),
        (errors.no_such_endpoint(api, "nothing"), 404),
    ):
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert json.loads(response.content)["status"] == status


def test_people_get_pages_instead() -> None:
    page = RequestFactory().get("/nothing")

    assert errors.handler404(page, Http404())["Content-Type"].startswith("text/html")
    assert errors.handler500(page)["Content-Type"].startswith("text/html")
