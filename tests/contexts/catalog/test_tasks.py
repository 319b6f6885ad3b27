from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from contexts.catalog import tasks
from contexts.catalog.interface import StockLine
from contexts.catalog.models import ProductCatalog, Stock
from contexts.catalog.usecases.reservations import commit_stock, reserve_stock
from ecommerce.clock import now
from ecommerce.ids import new_id
from tests.contexts.catalog.factories import on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])


def test_the_schedule_names_tasks_that_exist():
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {tasks.release_expired_reservations.name, tasks.refresh_best_sellers.name} <= scheduled


def test_all_that_expired_is_released_in_one_run(monkeypatch):
    shirt = on_sale(stock=9)
    lines = [StockLine(variant_id=shirt.pk, quantity=1)]
    for minutes in (-2, -1, 60):
        reserve_stock(reservation_id=new_id(), lines=lines, expires_at=now() + timedelta(minutes=minutes), now=now())
    assert tasks.release_expired_reservations() == 2
    assert Stock.objects.get().reserved == 1


def test_sales_reach_the_list():
    shirt = on_sale(stock=9)
    commit_stock(reservation_id=new_id(), lines=[StockLine(variant_id=shirt.pk, quantity=4)], now=now())
    assert tasks.refresh_best_sellers() == 1
    assert ProductCatalog.objects.get().sales_count == 4
