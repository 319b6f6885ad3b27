"""Tables of promotion. Every limit is both a conditional update and, where one row knows it, a CHECK."""

from contexts.promotion.models.campaigns import Campaign, Discount
from contexts.promotion.models.coupons import Coupon, CouponBatch, CouponCustomerUse
from contexts.promotion.models.redemptions import Buyer, Redemption

__all__ = ["Buyer", "Campaign", "Coupon", "CouponBatch", "CouponCustomerUse", "Discount", "Redemption"]
