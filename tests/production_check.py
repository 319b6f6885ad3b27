"""``python -m tests.production_check``: the production settings start with a complete environment and nothing less.

Each start is a process of its own, as an orchestrator makes it; no server is reached.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ecommerce.http.keys import public_pem

ROOT = Path(__file__).resolve().parents[1]
IMPORT = ("-c", "import config.settings.production")
CONTEXTS = ("identity", "catalog", "cart", "order", "promotion", "notification")
DEPLOY = ("-W", "error", "manage.py", "check", "--deploy", "--fail-level", "WARNING")


def private_key() -> str:
    """Return a new RSA key, PEM."""
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(*pem).decode()


COMPLETE: Mapping[str, str] = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "shop.example",
    "PUBLIC_URL": "https://shop.example",
    "BROKER_URL": "amqp://shop:pw@rabbit.example/shop",
    "CACHE_URL": "redis://cache.example:6379/0",
    "DATABASE_URL": "postgresql://admin:pw@db.example/shop",
    "EMAIL_URL": "smtp+tls://shop:pw@mail.example:587",
    "JWT_PRIVATE_KEY": private_key(),
    "SANDBOX_PSP_API_KEY": secrets.token_hex(),
    "SANDBOX_PSP_WEBHOOK_SECRET": secrets.token_hex(),
}
"""Everything that production insists on, made up."""


def start(environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``command`` on the production settings, with ``environment`` and little else."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        env={**inherited, **environment, "DJANGO_SETTINGS_MODULE": "config.settings.production"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def complaint_without(variable: str) -> str:
    """Return what a start without ``variable`` says is missing, empty when it starts all the same."""
    done = start({name: value for name, value in COMPLETE.items() if name != variable}, *IMPORT)
    last = done.stderr.strip().rpartition("\n")[2]
    return last.rpartition("ImproperlyConfigured: ")[2] if done.returncode else ""


def alone(context: str) -> dict[str, str]:
    """Return the environment of a process that holds one context and finds the others by HTTP."""
    urls = {f"{name.upper()}_URL": f"http://{name}.example" for name in CONTEXTS if name != context}
    public = public_pem(COMPLETE["JWT_PRIVATE_KEY"])
    return {**COMPLETE, **urls, "CONTEXTS": context, "JWT_PUBLIC_KEYS": public, "SERVICE_KEYS_DIR": "/run/service-keys"}


def main() -> int:
    """Check the deployment, whole and of one context, and that an incomplete one is refused.

    Every variable and every context by itself has a test.
    """
    whole = start(COMPLETE, *DEPLOY)
    print(whole.stdout + whole.stderr, end="")
    single = start(alone("cart"), *DEPLOY)
    print(f"cart alone: {single.stdout + single.stderr}", end="")
    refusal = complaint_without("SECRET_KEY")
    print(f"Without SECRET_KEY: {refusal or 'it starts all the same, which it must not'}")
    return 0 if whole.returncode == single.returncode == 0 and "SECRET_KEY" in refusal else 1


if __name__ == "__main__":
    sys.exit(main())
