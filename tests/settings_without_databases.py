"""The settings of the tests, but no database: for what compares code with code, and should not wait for a server."""

from config.settings.test import *  # noqa: F403

DATABASES: dict[str, dict[str, object]] = {"default": {}}
