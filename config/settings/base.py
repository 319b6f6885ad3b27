"""Settings common to every environment. Everything that differs between machines comes from the environment."""

from datetime import timedelta
from pathlib import Path

import django_stubs_ext
import environ

from config.settings.accounts import *  # noqa: F403
from config.settings.back_office import *  # noqa: F403
from config.settings.back_office import (
    ACCOUNTS_APPS,
    ACCOUNTS_CONTEXT_PROCESSORS,
    ACCOUNTS_MIDDLEWARE,
    BACK_OFFICE_APPS,
)
from config.settings.browsers import *  # noqa: F403
from config.settings.calls import *  # noqa: F403
from config.settings.celery import celery_settings
from config.settings.rest import *  # noqa: F403
from config.settings.shop import *  # noqa: F403
from ecommerce.db.configuration import broker_database, databases
from ecommerce.http.keys import public_keys
from ecommerce.observability.logging import settings_for as logging_settings
from ecommerce.topology import BackOffice, Topology

django_stubs_ext.monkeypatch()
env = environ.Env()
BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
"""Everything the program writes on this machine: the embedded database, uploads, keys, mail."""

# --- shape -----------------------------------------------------------------------------------------------------------
TOPOLOGY = Topology.from_environment(
    environ.Env.ENVIRON,
    ports={"identity": 3001, "catalog": 3002, "cart": 3003, "order": 3004, "promotion": 3005, "notification": 3006},
)
DATABASES = databases(TOPOLOGY, env=environ.Env.ENVIRON, var_dir=VAR_DIR)
DATABASE_ROUTERS = ["ecommerce.db.router.ContextRouter"]
SHARED_APP_LABELS = {"outbox", "inbox", "saga", "http", "observability"}
"""Apps of the platform whose tables exist in every context's schema."""
DEFAULT_APP_CONTEXT = "identity"
"""Django's own apps and third-party apps (admin, auth, sessions, accounts) keep their tables here."""

BROKER_URL = env.str("BROKER_URL", default="pgmq://")
BROKER_DATABASE = broker_database(DATABASES, env=environ.Env.ENVIRON, var_dir=VAR_DIR, broker_url=BROKER_URL)
"""Where PGMQ keeps its queues; empty with another broker."""
BROKER_TIMEOUT = 3
"""Seconds to wait for a connection to the broker."""
CALLS_ROUND_TRIP = env.bool("CALLS_ROUND_TRIP", default=False)
"""Send the arguments and results of local interface calls through the codec, as a remote call would."""
SERVICE_ISSUER = "+".join(sorted(context.name for context in TOPOLOGY.local))
"""The name that this process signs its calls to other services with: its context's, ``cart+promotion`` for several."""
SERVICE_KEYS_DIR = env.str("SERVICE_KEYS_DIR", default="")
"""Holds ``private.pem`` and ``<issuer>.pub.pem`` of each caller, read again when they change. Without it there is no
``/internal/``."""
CALLS_BREAKER_FAILURES = env.int("CALLS_BREAKER_FAILURES", default=5)
CALLS_BREAKER_SECONDS = env.float("CALLS_BREAKER_SECONDS", default=5.0)
"""After so many failures in a row a neighbour is left alone for so long."""
CACHE_URL = env.str("CACHE_URL", default="locmemcache://?max_entries=50000")
CACHES = {"default": env.cache_url_config(CACHE_URL)}
if CACHE_URL.startswith("redis"):
    CACHES["default"]["OPTIONS"] = {
        "socket_connect_timeout": 0.25, "socket_timeout": 0.25, **CACHES["default"].get("OPTIONS", {}),
    }  # fmt: skip
    """Seconds: every request asks the cache for its rate limit and waits for the answer. ``CACHE_URL`` may say
    otherwise: ``?socket_timeout=1``."""

# --- Django ----------------------------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
"""Former keys, newest first: what they signed or encrypted stays readable."""
DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "identity.User"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "pt-br"
LANGUAGES = [("pt-br", "Português (Brasil)"), ("en", "English")]
USE_I18N = True
SITE_ID = 1

ACCOUNTS = TOPOLOGY["identity"].local
"""Sessions, logins and Django's permissions are where the users are."""
BACK_OFFICE = TOPOLOGY.back_office is not BackOffice.FALSE
INSTALLED_APPS = [
    "config.apps.BackOfficeConfig",
    *(BACK_OFFICE_APPS if BACK_OFFICE else []),
    *(ACCOUNTS_APPS if ACCOUNTS else []),
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ecommerce.db",
    "ecommerce.outbox",
    "ecommerce.inbox",
    "ecommerce.saga",
    "ecommerce.http",
    "ecommerce.observability",
    *(context.app for context in TOPOLOGY.local),
]

MIDDLEWARE = [
    "ecommerce.observability.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "config.page_policy.ContentSecurityPolicy",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if BACK_OFFICE else []),
    "corsheaders.middleware.CorsMiddleware",
    *(["config.middleware.BackOfficeSession"] if ACCOUNTS else []),
    "config.language.Language",
    *(
        ["ecommerce.http.middleware.ThrottleMiddleware", "ecommerce.http.middleware.StrictJSONMiddleware"]
        if ACCOUNTS
        else []
    ),
    "django.middleware.csrf.CsrfViewMiddleware",
    *(ACCOUNTS_MIDDLEWARE if ACCOUNTS else []),
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                *(ACCOUNTS_CONTEXT_PROCESSORS if ACCOUNTS else []),
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"

PASSWORD_HASHERS = ["contexts.identity.adapters.hashers.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- API -------------------------------------------------------------------------------------------------------------
JWT_PRIVATE_KEY = env.str("JWT_PRIVATE_KEY", default="", multiline=True)
"""PEM. Signs access tokens; only the process with identity needs it."""
HEADLESS_JWT_PRIVATE_KEY = JWT_PRIVATE_KEY
JWT_PUBLIC_KEYS = public_keys(JWT_PRIVATE_KEY, env.str("JWT_PUBLIC_KEYS", default="", multiline=True))
"""``kid`` → PEM of every key whose tokens are accepted; the variable holds PEMs, one after the other."""
JWT_ISSUER = env.str("JWT_ISSUER", default="")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")
"""Checked when set."""

NUM_PROXIES = env.int("TRUSTED_PROXY_COUNT", default=0)
"""How many proxies of ours stand in front, each adding to ``X-Forwarded-For``."""
THROTTLE_RATES = {
    "anon": env.str("THROTTLE_ANON", default="100/min,1000/hour"),
    "user": env.str("THROTTLE_USER", default="100/min,1000/hour"),
    "login": env.str("THROTTLE_LOGIN", default="5/min"),
    "code": env.str("THROTTLE_CODE", default="10/min,100/hour"),
    "lookup": env.str("THROTTLE_LOOKUP", default="20/min,200/hour"),
}
"""Per address of guests, per customer; per address for what takes a password, for what takes a code that somebody could
guess, and for what asks another service. Empty: no limit."""

CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/(api|_allauth|\.well-known)/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = [
    "accept", "accept-language", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match",
    "traceparent", "x-cart-token", "x-order-token", "x-correlation-id", "x-session-token",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "etag", "idempotency-replayed", "location", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset",
    "retry-after", "x-correlation-id",
]  # fmt: skip
CORS_PREFLIGHT_MAX_AGE = 86400
SECURE_REDIRECT_EXEMPT = [r"^(health|ready|live|metrics)$", r"^internal/"]
"""Orchestrators, Prometheus and our own services ask by plain HTTP, from inside."""

# --- watching it run -------------------------------------------------------------------------------------------------
SERVICE_NAME = env.str("SERVICE_NAME", default=TOPOLOGY.service)
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_JSON = env.bool("LOG_JSON", default=True)
LOGGING_CONFIG = "ecommerce.observability.logging.configure"
LOGGING = logging_settings(json=LOG_JSON, level=LOG_LEVEL, service=SERVICE_NAME)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""When set, ``/metrics`` answers its bearer only."""
WORKER_PORT = env.int("WORKER_PORT", default=0)
"""Where a worker answers ``/health``, ``/ready``, ``/live`` and ``/metrics``; 0: nowhere."""
STATUS_PAGE = env.bool("STATUS_PAGE", default=False)
"""Show the live picture on the front page; development settings do. It tells event types and times, nothing more."""

# --- mail, shop ------------------------------------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="filemail://")
vars().update(EMAIL_CONFIG)
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Loja <loja@example.com>")
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000")
"""Where customers and payment gateways reach this installation; links in mails and webhook addresses start with it."""
SHOP_NAME = env.str("SHOP_NAME", default="Loja")
STOREFRONT_URL = env.str("STOREFRONT_URL", default="")
"""Where the shop's own pages are, if anywhere: mails link to ``/pedidos/<number>`` and ``/produtos/<slug>`` there."""
SMS_URL = env.str("SMS_URL", default="")
"""Where text messages are posted; empty: none are sent."""
SMS_TOKEN = env.str("SMS_TOKEN", default="")
DELIVERY_CONNECTIONS = env.int("DELIVERY_CONNECTIONS", default=4)
"""Connections to the mail server (or SMS provider) at once; more of them hide its latency."""
MARKETING_PER_DAY = env.int("MARKETING_PER_DAY", default=2)
"""Marketing messages to one recipient within 24 hours, at most."""
MESSAGE_RETENTION_DAYS = env.int("MESSAGE_RETENTION_DAYS", default=180)
"""How long the delivery log keeps messages, which hold personal data."""

CART_ABANDONED_AFTER = timedelta(seconds=env.int("CART_ABANDONED_AFTER", default=3600))
"""A cart that nobody touched for so long is left alone."""
CART_RECOVERY_PATH = env.str("CART_RECOVERY_PATH", default="/carrinho/recuperar")
"""The page of the shop, under ``PUBLIC_URL``, that posts the token of a reminder's link back."""
CART_RECOVERY_LINK_LIFETIME = timedelta(days=env.int("CART_RECOVERY_LINK_DAYS", default=7))
CART_EXPIRES_AFTER = timedelta(days=env.int("CART_EXPIRES_AFTER_DAYS", default=60))
CART_EMPTY_EXPIRES_AFTER = timedelta(days=env.int("CART_EMPTY_EXPIRES_AFTER_DAYS", default=2))
"""Idle carts end then: those with something in them, and empty ones."""

# --- background ------------------------------------------------------------------------------------------------------
vars().update(celery_settings(BROKER_URL, BROKER_DATABASE, TOPOLOGY))
EVENT_THREADS = env.list("EVENT_THREADS", default=["consumer", "relay"])
"""What a worker does about events beside its tasks; workers may share it out."""
OUTBOX_ARCHIVE_DAYS = env.int("OUTBOX_ARCHIVE_DAYS", default=30)
"""How long published events are kept for replay and audit."""
INBOX_RETENTION_DAYS = env.int("INBOX_RETENTION_DAYS", default=90)
"""How long handled messages are remembered: a month longer than published events at least. The latest version of each
key is remembered for good."""
