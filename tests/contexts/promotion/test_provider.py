import pytest

from contexts.promotion.interface import CouponRefused, PromotionInterface, RedemptionClosed
from contexts.promotion.models import Coupon
from ecommerce.calls import CallInTransaction, connect
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.promotion.factories import CouponFactory, basket, brl, line

pytestmark = pytest.mark.django_db(databases=["promotion"])
promotion = connect(PromotionInterface)


def test_what_is_quoted_can_be_redeemed_and_released() -> None:
    coupon = CouponFactory(usage_limit=1)
    bought = basket(line("19.99", 3, line_id="a"), shipping=brl("12.00"), coupon_code=coupon.code)
    quote = promotion.quote(basket=bought)
    assert quote.line_discounts == {"a": brl("6.00")}
    assert quote.applied[0].coupon_code == coupon.code

    redemption_id = new_id()
    promotion.redeem(redemption_id=redemption_id, basket=bought, expected_discount=quote.total_discount)
    with pytest.raises(CouponRefused):
        promotion.redeem(redemption_id=new_id(), basket=bought, expected_discount=quote.total_discount)
    promotion.release(redemption_id=redemption_id)
    assert Coupon.objects.get().usage_count == 0
    with pytest.raises(RedemptionClosed):
        promotion.redeem(redemption_id=redemption_id, basket=bought, expected_discount=quote.total_discount)


def test_is_refused_inside_a_transaction() -> None:
    with unit_of_work("promotion"), pytest.raises(CallInTransaction):
        promotion.quote(basket=basket())
