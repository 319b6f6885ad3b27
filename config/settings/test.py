"""The test suite. Behaves like production where that costs nothing, and never sends or waits for anything."""

import os
from pathlib import Path

from config.settings.machine_secret import machine_secret
from ecommerce.http.keys import load_or_create

_var_dir = Path(os.environ.get("VAR_DIR", Path(__file__).resolve().parents[2] / "var"))
os.environ.setdefault("DATABASE_ROLE_SECRET", os.environ.get("SECRET_KEY") or machine_secret(_var_dir))
"""The roles belong to the whole server: tests must not give them other passwords than development on this machine."""
os.environ["SECRET_KEY"] = "only-for-tests-" + 40 * "x"
os.environ.setdefault("JWT_PRIVATE_KEY", load_or_create(_var_dir / "jwt_private_key.pem"))

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import BASE_DIR, env  # noqa: E402

DEBUG = False
CALLS_ROUND_TRIP = env.bool("CALLS_ROUND_TRIP", default=True)
"""What contexts tell each other goes through the codec in every test, as if it were sent."""
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "EMAIL_URL" not in os.environ:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CACHES = {"default": env.cache_url_config("locmemcache://")}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = BASE_DIR / "config" / "static"
"""Nothing is collected for tests, and WhiteNoise wants a directory that exists."""
THROTTLE_RATES = {}
