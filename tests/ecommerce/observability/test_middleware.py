import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from prometheus_client import REGISTRY
from pytest_django import Settings

from ecommerce.observability import context
from ecommerce.observability.middleware import RequestContextMiddleware


def whoami(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(context.current().correlation_id, status=201)


urlpatterns = [path("things/<int:number>", whoami)]


@pytest.fixture(autouse=True)
def only_this_middleware(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["ecommerce.observability.middleware.RequestContextMiddleware"]


def observed(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("http_request_duration_seconds_count", labels) or 0.0


def test_the_correlation_id_of_the_client_is_used_and_echoed(client: Client) -> None:
    response = client.get("/things/1", headers={"X-Correlation-ID": "abc-1"})

    assert response.content == b"abc-1"
    assert response.headers["X-Correlation-ID"] == "abc-1"


def test_every_request_gets_an_identity(client: Client) -> None:
    first, second = client.get("/things/1"), client.get("/things/1")

    assert first.headers["X-Correlation-ID"] == first.content.decode()
    assert first.content != second.content


def test_an_identity_that_could_forge_headers_or_logs_is_replaced(client: Client) -> None:
    assert client.get("/things/1", headers={"X-Correlation-ID": 'x" admin="yes'}).content != b'x" admin="yes'


def test_nothing_of_a_request_outlives_it(client: Client) -> None:
    client.get("/things/1")

    assert context.bound_or_none() is None


def test_a_failing_request_is_forgotten_too() -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RequestContextMiddleware(fail)(RequestFactory().get("/"))

    assert context.bound_or_none() is None


def test_requests_are_measured_by_route_and_not_by_path(client: Client) -> None:
    before = observed("things/<int:number>", "GET", "201")
    client.get("/things/1")
    client.get("/things/2")

    assert observed("things/<int:number>", "GET", "201") == before + 2


def test_invented_paths_and_methods_make_no_new_series(client: Client) -> None:
    before = observed("unmatched", "other", "404")
    client.generic("BREW", "/coffee")

    assert observed("unmatched", "other", "404") == before + 1
