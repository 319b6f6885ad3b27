"""Production settings in processes of their own, as an orchestrator starts them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest
from django.conf import settings

COMPLETE = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "shop.example",
    "BROKER_URL": "amqp://shop:pw@rabbit.example/shop",
    "CACHE_URL": "redis://cache.example:6379/0",
    "DATABASE_URL": "postgresql://admin:pw@db.example/shop",
}


def start(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        env={**inherited, **environment, "DJANGO_SETTINGS_MODULE": "config.settings.production"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("variable", sorted(COMPLETE))
def test_a_missing_variable_is_named(variable: str) -> None:
    incomplete = {name: value for name, value in COMPLETE.items() if name != variable}

    done = start(incomplete, "-c", "import config.settings.production")

    assert done.returncode != 0
    assert f"ImproperlyConfigured: {variable} is not set" in done.stderr.replace(
        "IDENTITY_DATABASE_URL", "DATABASE_URL"
    )


def test_a_url_for_each_context_replaces_the_administrators() -> None:
    urls = {
        f"{context.name.upper()}_DATABASE_URL": f"postgresql://u_{context.name}:pw@db.example/{context.name}"
        for context in settings.TOPOLOGY.contexts
    }
    without = {name: value for name, value in COMPLETE.items() if name != "DATABASE_URL"}
    show = "from config.settings.production import DATABASES; print(DATABASES['cart']['USER'])"

    assert start({**without, **urls}, "-c", show).stdout.strip() == "u_cart"
    del urls["CART_DATABASE_URL"]
    assert "CART_DATABASE_URL is not set" in start({**without, **urls}, "-c", show).stderr


def test_the_deployment_check_has_nothing_to_say() -> None:
    done = start(COMPLETE, "manage.py", "check", "--deploy", "--fail-level", "WARNING")

    assert done.returncode == 0, done.stderr
