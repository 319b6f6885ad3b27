"""Input of the staff API, and the documentation of its output."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from contexts.promotion.models.campaigns import KINDS
from contexts.promotion.models.coupons import CODE_PATTERN, MAXIMUM_BATCH, PREFIX_PATTERN
from ecommerce.http.serializers import MoneyField
from ecommerce.money import EXPONENTS

LARGEST = 2_147_483_647
LARGEST_PRIORITY = 32_767


class CapitalField(serializers.RegexField):
    """Text that is stored in capitals."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).upper()


class CampaignChanges(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    active = serializers.BooleanField(default=False)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, default=None)
    priority = serializers.IntegerField(min_value=-LARGEST_PRIORITY, max_value=LARGEST_PRIORITY, default=0)
    usage_limit = serializers.IntegerField(min_value=0, max_value=LARGEST, allow_null=True, default=None)
    budget = MoneyField(allow_null=True, default=None)


class NewCampaign(CampaignChanges):
    currency = serializers.ChoiceField(choices=sorted(EXPONENTS), default="BRL")


class NewDiscount(serializers.Serializer[Any]):
    """Needed values by kind: percentage ``percent``; fixed ``amount``; buy_x_get_y ``percent`` (100 = free),
    ``buy_quantity`` and ``get_quantity``; free_shipping none. Others must be absent or null."""

    label = serializers.CharField(max_length=120)  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=[kind for kind, _ in KINDS])
    percent = serializers.DecimalField(
        max_digits=5,
        decimal_places=2,
        min_value=Decimal("0.01"),
        max_value=Decimal(100),
        allow_null=True,
        default=None,
    )
    amount = MoneyField(allow_null=True, default=None)
    buy_quantity = serializers.IntegerField(min_value=1, max_value=1000, allow_null=True, default=None)
    get_quantity = serializers.IntegerField(min_value=1, max_value=1000, allow_null=True, default=None)
    minimum_subtotal = MoneyField(required=False)
    category_ids = serializers.ListField(child=serializers.UUIDField(), max_length=200, default=list)
    product_ids = serializers.ListField(child=serializers.UUIDField(), max_length=1000, default=list)
    first_purchase_only = serializers.BooleanField(default=False)
    priority = serializers.IntegerField(min_value=-LARGEST_PRIORITY, max_value=LARGEST_PRIORITY, default=0)
    exclusive = serializers.BooleanField(default=False)
    stackable = serializers.BooleanField(default=True)
    requires_coupon = serializers.BooleanField(default=False)


class CouponChanges(serializers.Serializer[Any]):
    active = serializers.BooleanField(default=True)
    starts_at = serializers.DateTimeField(allow_null=True, default=None)
    ends_at = serializers.DateTimeField(allow_null=True, default=None)
    usage_limit = serializers.IntegerField(min_value=0, max_value=LARGEST, allow_null=True, default=None)
    per_customer_limit = serializers.IntegerField(min_value=1, max_value=LARGEST, allow_null=True, default=None)


class NewCoupon(CouponChanges):
    code = CapitalField(CODE_PATTERN)
    discount_id = serializers.UUIDField()


class NewBatch(serializers.Serializer[Any]):
    discount_id = serializers.UUIDField()
    prefix = CapitalField(PREFIX_PATTERN, allow_blank=True, default="")
    size = serializers.IntegerField(min_value=1, max_value=MAXIMUM_BATCH)
    usage_limit = serializers.IntegerField(min_value=1, max_value=LARGEST, allow_null=True, default=1)
    per_customer_limit = serializers.IntegerField(min_value=1, max_value=LARGEST, allow_null=True, default=None)
    starts_at = serializers.DateTimeField(allow_null=True, default=None)
    ends_at = serializers.DateTimeField(allow_null=True, default=None)


class CampaignFilter(serializers.Serializer[Any]):
    active = serializers.BooleanField(allow_null=True, default=None)


class CouponFilter(CampaignFilter):
    campaign_id = serializers.UUIDField(required=False)
    discount_id = serializers.UUIDField(required=False)
    batch_id = serializers.UUIDField(required=False)


class CampaignRowSchema(NewCampaign):
    id = serializers.UUIDField()
    usage_count = serializers.IntegerField()
    budget_used = MoneyField()
    version = serializers.IntegerField()


class DiscountSchema(NewDiscount):
    id = serializers.UUIDField()


class CampaignSchema(CampaignRowSchema):
    discounts = DiscountSchema(many=True)


class CouponSchema(CouponChanges):
    id = serializers.UUIDField()
    code = serializers.CharField()
    discount_id = serializers.UUIDField()
    batch_id = serializers.UUIDField(allow_null=True)
    usage_count = serializers.IntegerField(help_text="Reserved and confirmed uses.")
    confirmed_count = serializers.IntegerField()
    version = serializers.IntegerField()


class CouponDetailSchema(CouponSchema):
    reserved_count = serializers.IntegerField()
    uses_left = serializers.IntegerField(allow_null=True, help_text="null: no limit.")


class BatchSchema(serializers.Serializer[Any]):
    batch_id = serializers.UUIDField()
    codes = serializers.ListField(child=serializers.CharField())


class RedemptionSchema(serializers.Serializer[Any]):
    order_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["reserved", "confirmed", "released"])
    discount = MoneyField()
    reserved_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)


class CouponUsageSchema(serializers.Serializer[Any]):
    coupon = CouponDetailSchema()
    results = RedemptionSchema(many=True)
    next = serializers.URLField(allow_null=True)
