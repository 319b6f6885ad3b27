"""The one place that knows all contexts: settings, routes, processes."""

from ecommerce.observability import tracing

tracing.spare_imports()

from config.celery import app as celery_app  # noqa: E402 - nothing else may be imported before

__all__ = ["celery_app"]
