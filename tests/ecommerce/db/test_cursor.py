"""Results inside a pipeline."""

import pytest
from django.db import connections

pytestmark = pytest.mark.django_db(databases=["cart"])


def test_the_number_of_changed_rows_is_waited_for_in_a_pipeline() -> None:
    with connections["cart"].cursor() as cursor, connections["cart"].connection.pipeline():
        cursor.execute("UPDATE outbox_partition SET epoch = epoch WHERE partition_no < %s", [0])
        assert cursor.rowcount == 0


def test_columns_are_known_in_a_pipeline() -> None:
    with connections["cart"].cursor() as cursor, connections["cart"].connection.pipeline():
        cursor.execute("SELECT 1 AS one")
        assert [column.name for column in cursor.description] == ["one"]
