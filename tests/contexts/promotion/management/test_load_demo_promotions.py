from decimal import Decimal

import pytest
from django.core.management import call_command

from contexts.promotion.models import Campaign, Coupon, Discount
from contexts.promotion.usecases.quote import quote_basket
from ecommerce.clock import now
from ecommerce.ids import new_id
from tests.contexts.promotion.factories import CouponFactory, basket, brl, line

pytestmark = pytest.mark.django_db(databases=["promotion"])


def test_loads_working_coupons_and_changes_no_total_by_itself() -> None:
    call_command("load_demo_promotions", verbosity=0)

    def total(price: str, code: str = "") -> str:
        bought = basket(line(price, 3), shipping=brl("20.00"), coupon_code=code, customer_id=new_id())
        return str(quote_basket(basket=bought, now=now()).total_discount.amount)

    assert total("100.00") == "0.00"
    assert total("100.00", "bemvindo10") == "30.00"
    assert total("100.00", "FRETEGRATIS") == "20.00"
    assert total("100.00", "MENOS50") == "50.00"
    assert total("99.99", "MENOS50") == "0.00"
    Campaign.objects.update(active=True)
    assert total("100.00") == "100.00"


def test_can_run_again_and_leaves_what_exists() -> None:
    CouponFactory(code="MENOS50")
    call_command("load_demo_promotions", verbosity=0)
    Discount.objects.filter(coupons__code="BEMVINDO10").update(percent=Decimal(15))
    call_command("load_demo_promotions", verbosity=0)
    assert Campaign.objects.count() == 4
    assert Coupon.objects.count() == 3
    assert Discount.objects.get(coupons__code="BEMVINDO10").percent == 15
