"""A development machine with one more event, one more handler, and nothing else changed."""

from config.settings.development import *  # noqa: F403
from config.settings.development import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "tests.faults.apps.FaultsConfig"]
