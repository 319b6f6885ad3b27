"""The one place that knows all contexts: settings, routes, processes."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
