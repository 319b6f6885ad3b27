"""The Django application of one bounded context."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig


class ContextConfig(AppConfig):
    """Imports the modules of a context that register themselves: its provider, event handlers and sagas.

    A context's ``apps.py`` holds this class beside its own, and of two candidates Django takes the one that says it is
    the default, or silently none.
    """

    def __init_subclass__(cls) -> None:
        cls.default = True

    def ready(self) -> None:
        for module in ("provider", "handlers", "sagas"):
            if find_spec(f"{self.name}.{module}"):
                import_module(f"{self.name}.{module}")
