from collections.abc import Iterator

import pytest
from django.db import connections


@pytest.fixture(autouse=True)
def empty_archive(transactional_db: None) -> Iterator[None]:
    """Django's flush leaves tables alone that it does not manage."""
    yield
    with connections["order"].cursor() as cursor:
        cursor.execute("TRUNCATE outbox_archive")
