"""What views are sent, checked."""

from __future__ import annotations

import threading
from typing import Any

from django.utils.translation import get_language
from rest_framework.serializers import Serializer

_kept = threading.local()


def validated(serializer: type[Serializer[Any]], data: Any, *, partial: bool = False) -> Any:
    """Return what ``serializer`` makes of ``data``, mostly a dictionary; with ``partial`` nothing is required.

    An instance of each serializer is kept per thread and language: making one copies every field it has, which takes
    longer than checking a body, and it words its refusals once. So serializers of input keep nothing of one body for
    the next, and have no context.

    Raises:
        ValidationError: it is not like that.
    """
    instances: dict[Any, Serializer[Any]] = vars(_kept)
    key = (serializer, partial, get_language())
    if key not in instances:
        instances[key] = serializer(partial=partial)
    return instances[key].run_validation(data)
