"""What somebody does who has psql and not the application."""

from __future__ import annotations

from typing import Any

from django.db import connections

from ecommerce.db.bootstrap import connect_administrator
from ecommerce.outbox.models import OutboxEvent


def run(statement: str, *parameters: Any) -> None:
    """Run a statement as catalog's own role."""
    with connections["catalog"].cursor() as cursor:
        cursor.execute(statement, parameters)


def run_as_administrator(statement: str) -> None:
    """An administrator has another search path, and none of our names on it."""
    settings = connections["catalog"].settings_dict
    with connect_administrator(settings, settings["NAME"]) as administrator:
        administrator.execute(statement)


def outbox(aggregate: str) -> list[OutboxEvent]:
    """Return the events of one kind of aggregate, oldest first, without what factories have told of new products."""
    rows = OutboxEvent.objects.using("catalog").filter(aggregate_type=aggregate).order_by("id")
    return list(rows.exclude(aggregate_type="product", aggregate_version=1))


def told(aggregate: str) -> list[tuple[int, str]]:
    """Return version and origin of each of them."""
    return [(row.aggregate_version, row.origin) for row in outbox(aggregate)]
