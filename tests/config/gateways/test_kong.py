"""Kong's configuration, read as Kong reads it: regular expressions first, then the longest prefix."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from config.gateways.kong import PER_CLIENT, kong_configuration
from config.routes import BACK_OFFICE, BACK_OFFICE_PORT
from ecommerce.topology import current
from tests.config.addresses import CLOSED, owners

KEYS = {"kid-of-a-key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"}
CONFIGURATION = kong_configuration(current())
ROUTES = [(service["name"], route) for service in CONFIGURATION["services"] for route in service["routes"]]


def chosen(path: str) -> tuple[str, dict[str, Any]] | None:
    """Return the service and the route that Kong takes; every route of ours has one path."""
    fitting = []
    for service, route in ROUTES:
        [prefix] = route["paths"]
        if prefix.startswith("~") and re.match(prefix[1:], path):
            fitting.append((True, len(prefix), service, route))
        elif path.startswith(prefix):
            fitting.append((False, len(prefix), service, route))
    _, _, service, route = max(fitting, key=lambda each: each[:2], default=(False, 0, "", {}))
    return (service, route) if route else None


def plugins(path: str) -> dict[str, dict[str, Any]]:
    found = chosen(path)
    assert found is not None
    return {plugin["name"]: plugin["config"] for plugin in found[1].get("plugins", [])}


def test_every_address_reaches_its_owner() -> None:
    assert {path: (chosen(path) or ("nobody",))[0] for path in owners()} == owners()


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_inside_is_reached(path: str) -> None:
    assert chosen(path) is None


def test_services_are_reached_at_their_ports() -> None:
    ports = {context.name: context.port for context in current().contexts} | {BACK_OFFICE: BACK_OFFICE_PORT}

    assert {service["name"]: service["url"] for service in CONFIGURATION["services"]} == {
        name: f"http://{name}:{port}" for name, port in ports.items()
    }


def test_names_are_unique() -> None:
    names = [route["name"] for _, route in ROUTES]

    assert len(names) == len(set(names))


def test_clients_are_counted_across_all_services_but_not_staff_and_payment_gateways() -> None:
    [counted] = [plugin for plugin in CONFIGURATION["plugins"] if plugin["name"] == "rate-limiting"]

    assert {name: counted["config"][name] for name in PER_CLIENT} == {"minute": 100, "hour": 1000}
    assert "rate-limiting" not in plugins("/api/v1/carts")
    for path in ("/admin/", "/static/a.css", "/api/v1/payments/webhooks/sandbox"):
        assert "hour" not in plugins(path)["rate-limiting"]


def test_a_token_is_asked_for_by_the_key_that_it_names_where_guests_have_no_business() -> None:
    assert plugins("/api/v1/me")["jwt"]["key_claim_name"] == "kid"
    assert "jwt" not in plugins("/api/v1/carts")
    assert "jwt" not in plugins("/_allauth/app/v1/auth/login")


def test_without_keys_nobody_is_let_in() -> None:
    [consumer] = CONFIGURATION["consumers"]

    assert consumer["jwt_secrets"] == []


def test_the_keys_of_this_installation_are_told(settings: Any) -> None:
    settings.JWT_PUBLIC_KEYS = KEYS
    out = StringIO()
    call_command("kong", settings.BASE_DIR / "docker" / "kong" / "kong.yml", stdout=out)

    written = yaml.safe_load(out.getvalue())
    [consumer] = written["consumers"]
    [secret] = consumer["jwt_secrets"]
    assert written["services"] == CONFIGURATION["services"]
    assert (secret["key"], secret["algorithm"], secret["rsa_public_key"]) == (
        "kid-of-a-key",
        "RS256",
        KEYS[secret["key"]],
    )
