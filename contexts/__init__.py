"""The six bounded contexts. They meet only through ``interface.py`` and ``events.py``."""
