"""Promotion: campaigns, their discounts, coupons and every use of them.

Publishes ``CouponExhausted``. Calls nobody; listens to order (confirmed, cancelled). Called by cart (preview) and order
(redeem, release).
"""
