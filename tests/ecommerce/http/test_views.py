from typing import Any, ClassVar
from uuid import UUID

import pytest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from ecommerce.http.authentication import Principal
from ecommerce.http.views import APIView, StaffView

CUSTOMER = Principal(id=UUID(int=1))
COLLEAGUE = Principal(id=UUID(int=2), is_staff=True, scopes=frozenset({"shop.view_thing"}))
SUPERUSER = Principal(id=UUID(int=3), is_staff=True, scopes=frozenset({"*"}))


class Open(APIView):
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"q": request.GET.get("q", "")})

    def post(self, request: Request) -> Response:
        return Response({}, headers={"Cache-Control": "public, max-age=60"})


class Things(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": "shop.view_thing"}

    def get(self, request: Request) -> Response:
        return Response([])

    def delete(self, request: Request) -> Response:
        return Response(status=204)


def call(view: type[APIView], method: str, url: str = "/api/v1/x", principal: Principal | None = None) -> Any:
    request = APIRequestFactory().generic(method, url)
    if principal:
        force_authenticate(request, principal)  # type: ignore[arg-type]
    return view.as_view()(request)


def test_an_answer_is_kept_by_no_cache_unless_its_view_says_so() -> None:
    assert call(Open, "GET").headers["Cache-Control"] == "no-store"
    assert call(Open, "PUT").headers["Cache-Control"] == "no-store"
    assert call(Open, "POST").headers["Cache-Control"] == "public, max-age=60"


def test_a_null_character_in_the_query_is_refused_before_a_view_asks_the_database() -> None:
    answer = call(Open, "GET", "/api/v1/x?q=a%00b")
    assert (answer.status_code, answer.data["code"]) == (400, "parse_error")
    assert call(Open, "GET", "/api/v1/x?q=100%2500").data == {"q": "100%00"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_needs_the_scope_whether_the_body_is_wanted_or_not(method: str) -> None:
    assert call(Things, method).status_code == 401
    assert call(Things, method, principal=CUSTOMER).status_code == 403
    assert call(Things, method, principal=COLLEAGUE).status_code == 200


def test_a_method_whose_scope_was_forgotten_is_for_superusers() -> None:
    assert call(Things, "DELETE", principal=COLLEAGUE).status_code == 403
    assert call(Things, "DELETE", principal=SUPERUSER).status_code == 204


def test_a_method_that_does_not_exist_is_called_that() -> None:
    assert call(Things, "PUT", principal=COLLEAGUE).status_code == 405
