"""What becomes of a redemption: its order is confirmed, or it is given back."""

from datetime import datetime
from uuid import UUID

from contexts.promotion.domain import customer_keys
from contexts.promotion.events import CouponExhausted
from contexts.promotion.models import Buyer, Campaign, Coupon, CouponCustomerUse, Redemption
from ecommerce.db import rows
from ecommerce.unit_of_work import unit_of_work


def confirm(*, redemption_id: UUID, customer_id: UUID | None, now: datetime) -> None:
    """Turn the reservation into a use, and remember that its buyer has bought.

    Idempotent. Of a redemption that is unknown (its basket had nothing limited) only the customer is remembered; one
    that was released stays as it is: its order has been cancelled since. Publishes ``CouponExhausted`` when this was
    the coupon's last use.
    """
    with unit_of_work("promotion") as work:
        found = rows.fetch(Redemption, "WHERE id = %s FOR UPDATE", [redemption_id], using="promotion")
        redemption = next(iter(found), None)
        if redemption is not None and redemption.status == Redemption.Status.RELEASED:
            return
        keys = set(customer_keys(customer_id=customer_id, email=""))
        Buyer.objects.remember(
            order_id=redemption_id, customer_keys=keys.union(redemption.customer_keys if redemption else [])
        )
        if redemption is None or not redemption.confirm(now=now) or redemption.coupon_id is None:
            return
        coupon = Coupon.objects.select_for_update(no_key=True).get(id=redemption.coupon_id)
        if coupon.confirm_use():
            event = CouponExhausted(coupon_id=coupon.id, code=coupon.code)
            work.publish(event, subject=coupon.id, version=coupon.version)


def release(*, redemption_id: UUID, now: datetime) -> None:
    """Give back every use that the redemption holds, confirmed or not, and forget the purchase.

    A cancelled order gives its coupon back also when it was paid before: the customer got nothing for it. Idempotent;
    an unknown id is remembered as released.
    """
    with unit_of_work("promotion"):
        redemption = _locked(redemption_id, now)
        confirmed = redemption.status == Redemption.Status.CONFIRMED
        Buyer.objects.filter(order_id=redemption_id).delete()
        if not redemption.release(now=now):
            return
        if redemption.charged_campaigns:
            Campaign.objects.refund(redemption.charged_campaigns)
        if redemption.coupon_id is not None:
            Coupon.objects.give_use_back(coupon_id=redemption.coupon_id, confirmed=confirmed)
            CouponCustomerUse.objects.give_back(coupon_id=redemption.coupon_id, customer_keys=redemption.customer_keys)


def _locked(redemption_id: UUID, now: datetime) -> Redemption:
    """Return the locked redemption, or the tombstone that was made for it."""
    row = Redemption.objects.select_for_update().filter(id=redemption_id)
    if (redemption := row.first()) is not None:
        return redemption
    tombstone = Redemption(id=redemption_id, status=Redemption.Status.RELEASED, released_at=now)
    return tombstone if Redemption.objects.insert_if_absent(tombstone) else row.get()
