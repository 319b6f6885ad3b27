"""Production settings in processes of their own, as an orchestrator starts them."""

from __future__ import annotations

import pytest
from django.conf import settings

from ecommerce.http.keys import public_pem
from tests.production_check import COMPLETE, CONTEXTS, DEPLOY, IMPORT, alone, complaint_without, start

NEIGHBOURS_OF_CART = {
    "CATALOG_URL": "http://catalog:3002", "PROMOTION_URL": "http://promotion:3005", "SERVICE_KEYS_DIR": "/run/keys",
}  # fmt: skip


def without(*variables: str) -> dict[str, str]:
    return {name: value for name, value in COMPLETE.items() if name not in variables}


@pytest.mark.parametrize("variable", COMPLETE)
def test_a_missing_variable_is_named(variable: str) -> None:
    name, _, reason = complaint_without(variable).partition(" is not set: ")

    assert name in (variable, f"IDENTITY_{variable}")
    assert reason


def test_a_url_for_each_context_replaces_the_administrators() -> None:
    urls = {
        f"{context.name.upper()}_DATABASE_URL": f"postgresql://u_{context.name}:pw@db.example/{context.name}"
        for context in settings.TOPOLOGY.contexts
    }
    show = "from config.settings.production import DATABASES; print(DATABASES['cart']['USER'])"

    assert start({**without("DATABASE_URL"), **urls}, "-c", show).stdout.strip() == "u_cart"
    del urls["CART_DATABASE_URL"]
    assert "CART_DATABASE_URL is not set" in start({**without("DATABASE_URL"), **urls}, "-c", show).stderr


def test_a_service_that_signs_no_tokens_needs_the_public_key_only() -> None:
    alone = {**without("JWT_PRIVATE_KEY", "EMAIL_URL"), "CONTEXTS": "cart"}
    key = public_pem(COMPLETE["JWT_PRIVATE_KEY"])

    assert "JWT_PUBLIC_KEYS is not set" in start(alone, *IMPORT).stderr
    assert start({**alone, **NEIGHBOURS_OF_CART, "JWT_PUBLIC_KEYS": key}, *IMPORT).returncode == 0


@pytest.mark.parametrize("variable", ["SERVICE_KEYS_DIR", "CATALOG_URL", "PROMOTION_URL"])
def test_a_service_needs_its_keys_and_where_those_are_whom_it_calls(variable: str) -> None:
    key = public_pem(COMPLETE["JWT_PRIVATE_KEY"])
    alone = {**without("JWT_PRIVATE_KEY", "EMAIL_URL"), "CONTEXTS": "cart", "JWT_PUBLIC_KEYS": key}
    neighbours = {name: value for name, value in NEIGHBOURS_OF_CART.items() if name != variable}

    assert f"{variable} is not set" in start({**alone, **neighbours}, *IMPORT).stderr


def test_a_service_that_calls_nobody_needs_no_addresses() -> None:
    key = public_pem(COMPLETE["JWT_PRIVATE_KEY"])
    alone = {**without("JWT_PRIVATE_KEY", "EMAIL_URL"), "CONTEXTS": "catalog", "JWT_PUBLIC_KEYS": key}

    assert start({**alone, "SERVICE_KEYS_DIR": "/run/keys"}, *IMPORT).returncode == 0


def test_the_back_office_by_itself_needs_no_keys_of_tokens() -> None:
    show = "from config.settings.production import TOPOLOGY; print(TOPOLOGY.service)"

    assert start({**without("JWT_PRIVATE_KEY"), "BACK_OFFICE": "only"}, "-c", show).stdout.strip() == "back-office"


def test_only_the_gateways_that_are_used_need_their_keys() -> None:
    by_stripe = {**without("SANDBOX_PSP_API_KEY", "SANDBOX_PSP_WEBHOOK_SECRET"), "PAYMENT_GATEWAYS": "card=stripe"}
    keys = {"STRIPE_API_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}

    for name in keys:
        incomplete = {**by_stripe, **{other: value for other, value in keys.items() if other != name}}
        assert f"{name} is not set" in start(incomplete, *IMPORT).stderr
    assert start({**by_stripe, **keys}, *IMPORT).returncode == 0


def test_the_deployment_check_has_nothing_to_say() -> None:
    done = start(COMPLETE, *DEPLOY)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("context", CONTEXTS)
def test_nor_has_it_of_a_process_with_one_context(context: str) -> None:
    done = start(alone(context), *DEPLOY)

    assert done.returncode == 0, done.stderr
