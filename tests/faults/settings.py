"""A development machine with one more event, one more handler, a hurried schedule, and nothing else changed."""

from config.settings.development import *  # noqa: F403
from config.settings.development import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "tests.faults.apps.FaultsConfig"]
SCHEDULE = globals()["CELERY_BEAT_SCHEDULE"]
CELERY_BEAT_SCHEDULE = {name: {**SCHEDULE[name], "schedule": 0.5} for name in ("resume sagas", "process webhooks")}
