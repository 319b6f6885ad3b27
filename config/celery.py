"""The Celery application: background tasks, and in every worker the relays and consumers of the local contexts."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

from ecommerce.observability import tasks as observed

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
observed.connect()
app.steps["worker"].update({"ecommerce.worker:EventThreads", "ecommerce.worker:Watched"})


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Celery must not replace the logging configuration of the settings."""
    from logging.config import dictConfig

    dictConfig(settings.LOGGING)
