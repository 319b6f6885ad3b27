"""Production. Takes everything from the environment and refuses to start without what it cannot do without."""

import os

from django.core.exceptions import ImproperlyConfigured


def _require(variable: str, why: str) -> None:
    if not os.environ.get(variable):
        raise ImproperlyConfigured(f"{variable} is not set: {why}")


_require("SECRET_KEY", "it signs sessions and tokens; use 50 random characters or more")
_require("ALLOWED_HOSTS", "the host names of this installation, comma-separated")
_require("BROKER_URL", "amqp://user:password@host:port/vhost, or pgmq:// for queues in PostgreSQL")
_require("CACHE_URL", "redis://host:port/number; rate limits must be shared by all processes")
_require("PUBLIC_URL", "https://… where customers reach this installation; links in mails start with it")

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import PAYMENT_GATEWAYS, TOPOLOGY, env  # noqa: E402
from config.settings.calls import called_by  # noqa: E402

if not os.environ.get("DATABASE_URL"):
    for _context in TOPOLOGY.local:
        _require(
            f"{_context.name.upper()}_DATABASE_URL",
            "the PostgreSQL of this context; or set DATABASE_URL to an administrator of one server for all contexts",
        )
_served = {_context.name for _context in TOPOLOGY.served}
if "identity" in _served:
    _require("JWT_PRIVATE_KEY", "PEM of the RSA key that signs access tokens; make one with: openssl genrsa 2048")
elif _served:
    _require("JWT_PUBLIC_KEYS", "PEM of the public key of the process that signs access tokens")
_here = {_context.name for _context in TOPOLOGY.local}
if len(_here) < len(TOPOLOGY.contexts):
    _require("SERVICE_KEYS_DIR", "the keys by which services know each other; manage.py service_keys makes them")
for _name in sorted(called_by(_here) - _here):
    _require(f"{_name.upper()}_URL", f"where {_name} runs, http://host:port; it is called from here")
if TOPOLOGY["identity"].local or TOPOLOGY["notification"].local:
    _require("EMAIL_URL", "smtp+tls://user:password@host:587, or dummymail:// to send nothing")
if TOPOLOGY["order"].local and "sandbox" in PAYMENT_GATEWAYS.values():
    _require("SANDBOX_PSP_API_KEY", "how orders log in to the payment gateway")
    _require("SANDBOX_PSP_WEBHOOK_SECRET", "how the payment gateway signs what it reports")
if TOPOLOGY["order"].local and "stripe" in PAYMENT_GATEWAYS.values():
    _require("STRIPE_API_KEY", "the secret key of the Stripe account, sk_… or rk_…")
    _require("STRIPE_WEBHOOK_SECRET", "how Stripe signs what it reports, whsec_…")

DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
"""The proxy in front must set this header itself and drop the one that a client sends."""
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"
