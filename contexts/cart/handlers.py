"""What happened elsewhere and concerns carts."""

from contexts.cart.usecases.abandonment import record_recovered_order
from contexts.cart.usecases.hints import flag_coupon_exhausted, remember_price
from contexts.catalog.events import VariantPriceChanged
from contexts.order.events import OrderConfirmed
from contexts.promotion.events import CouponExhausted
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope


@subscribe(VariantPriceChanged)
def remember_variant_price(event: VariantPriceChanged, envelope: Envelope) -> None:
    remember_price(
        variant_id=event.variant_id, price=event.new_price, version=envelope.sequence, changed_at=envelope.time
    )


@subscribe(CouponExhausted)
def flag_exhausted_coupon(event: CouponExhausted, envelope: Envelope) -> None:
    flag_coupon_exhausted(
        coupon_id=event.coupon_id, code=event.code, version=envelope.sequence, exhausted_at=envelope.time
    )


@subscribe(OrderConfirmed)
def record_recovered_revenue(event: OrderConfirmed, envelope: Envelope) -> None:
    record_recovered_order(
        cart_id=event.cart_id, order_id=event.order_id, amount=event.total, confirmed_at=event.confirmed_at
    )
