"""A machine of a developer, or a demonstration: works without any configuration. Never for the open Internet."""

import os
from pathlib import Path

from config.settings.machine_secret import machine_secret
from ecommerce.http.keys import load_or_create

_var_dir = Path(os.environ.get("VAR_DIR", Path(__file__).resolve().parents[2] / "var"))
os.environ.setdefault("SECRET_KEY", machine_secret(_var_dir))
os.environ.setdefault("JWT_PRIVATE_KEY", load_or_create(_var_dir / "jwt_private_key.pem"))

from config.settings.base import *  # noqa: E402, F403
from config.settings.base import LOG_LEVEL, SERVICE_NAME, env  # noqa: E402
from ecommerce.observability.logging import settings_for as logging_settings  # noqa: E402

DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
LOG_JSON = env.bool("LOG_JSON", default=False)
LOGGING = logging_settings(json=LOG_JSON, level=LOG_LEVEL, service=SERVICE_NAME)
STATUS_PAGE = env.bool("STATUS_PAGE", default=True)
CORS_ALLOWED_ORIGIN_REGEXES = [r"^http://(localhost|127\.0\.0\.1):\d+$"]
"""A frontend that is being developed on this machine."""
