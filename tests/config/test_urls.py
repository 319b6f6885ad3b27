import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import resolve, reverse

from ecommerce.calls.keys import create

ELSEWHERE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//(?!www\.w3\.org)""")
"""A resource that a page would load from another host."""


def test_an_unknown_endpoint_is_a_problem_and_an_unknown_page_is_a_page(client: Client) -> None:
    endpoint, page = client.get("/api/v1/no-such-thing"), client.get("/no-such-page")

    assert (endpoint.status_code, endpoint.headers["Content-Type"]) == (404, "application/problem+json")
    assert endpoint.json()["code"] == "not_found"
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_an_unknown_endpoint_is_a_problem_for_every_method(client: Client) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = Client(enforce_csrf_checks=True).generic(method, "/api/v1/no-such-thing")
        assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("url", ["/", "/api/docs/"])
def test_pages_load_nothing_from_elsewhere(client: Client, url: str) -> None:
    response = client.get(url)

    assert response.status_code == 200
    assert not ELSEWHERE.search(response.content.decode())


def test_the_api_describes_itself(client: Client) -> None:
    response = client.get("/api/schema/")

    assert response.json()["openapi"].startswith("3.1")
    assert client.get("/api/schema/", headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


def test_the_admin_answers_without_its_slash_too(client: Client) -> None:
    assert client.get("/admin").headers["Location"] == reverse("admin:index")


def test_a_process_without_service_keys_has_no_internal_addresses(client: Client) -> None:
    response = client.post("/internal/catalog/v1/get_variants", b'{"ids":[]}', content_type="application/json")

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_process_with_service_keys_has_internal_addresses_for_services_only(tmp_path: Path) -> None:
    create(tmp_path, ["catalog"])
    code = """
import django; django.setup()
from django.test import Client
response = Client().post("/internal/catalog/v1/get_variants", b"{}", content_type="application/json")
print(response.status_code, response.json()["code"])
"""
    environment = {**os.environ, "CONTEXTS": "catalog", "SERVICE_KEYS_DIR": str(tmp_path / "catalog")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert "401 service_token_refused" in done.stdout, done.stderr


@pytest.mark.parametrize("url", ["/health", "/ready", "/live", "/metrics", "/.well-known/jwks.json", "/status.json"])
def test_operators_find_their_addresses(url: str) -> None:
    assert resolve(url)
