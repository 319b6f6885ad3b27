import runpy
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

SHOP = str(Path(__file__).parents[3] / "config" / "settings" / "shop.py")


@pytest.mark.parametrize("rate", ["-0.01", "NaN", "Infinity"])
def test_a_rate_of_interest_that_is_none_stops_the_start(monkeypatch, rate):
    monkeypatch.setenv("INSTALMENT_MONTHLY_RATE", rate)
    with pytest.raises(ImproperlyConfigured, match="INSTALMENT_MONTHLY_RATE"):
        runpy.run_path(SHOP)


def test_the_shop_bears_all_instalments_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("MAXIMUM_INSTALMENTS", "10")
    shop = runpy.run_path(SHOP)
    assert (shop["FREE_INSTALMENTS"], shop["INSTALMENT_MONTHLY_RATE"]) == (10, Decimal(0))
    monkeypatch.setenv("FREE_INSTALMENTS", "3")
    assert runpy.run_path(SHOP)["FREE_INSTALMENTS"] == 3
