"""The Celery application: background tasks, and in every worker the relays and consumers of the local contexts."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init
from django.conf import settings
from django.db import connections

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


@worker_process_init.connect
def close_inherited_connections(**_: Any) -> None:
    """A forked child must not use its parent's database sockets."""
    connections.close_all()
