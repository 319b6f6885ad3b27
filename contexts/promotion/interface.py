"""What other contexts may ask of promotion."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import Conflict
from ecommerce.money import Money


class CouponRefused(Conflict):
    """The coupon does not apply. ``reason`` is one of unknown, not_started, ended, exhausted, customer_limit,
    budget, minimum, not_applicable, first_purchase_only."""

    code = "coupon_refused"


class RedemptionClosed(Conflict):
    """The redemption was released; take a new id."""

    code = "redemption_closed"


@dataclass(frozen=True, kw_only=True)
class BasketLine:
    """One line of a basket; ``line_id`` is the caller's own name of it and comes back in the quote."""

    line_id: str
    variant_id: UUID
    product_id: UUID
    category_ids: list[UUID]
    unit_price: Money
    quantity: int


@dataclass(frozen=True, kw_only=True)
class Basket:
    """What is to be bought and by whom; at most 200 lines of one currency. ``email`` counts per-customer limits of
    guests; ``shipping`` is the price that a free-shipping discount takes off."""

    lines: Annotated[list[BasketLine], AtMost(200)]
    shipping: Money = Money(Decimal(0))
    coupon_code: str = ""
    customer_id: UUID | None = None
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class AppliedDiscount:
    """One discount in a quote; ``amount`` is positive and includes ``shipping_amount``."""

    discount_id: UUID
    label: str
    amount: Money
    shipping_amount: Money
    coupon_code: str = ""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The discounts that apply now. ``line_discounts`` maps every line id to what is taken off that line; those plus
    ``shipping_discount`` add up to ``total_discount`` to the cent. ``coupon_refusal`` says why a given coupon does not
    apply (a reason of CouponRefused), else empty."""

    applied: list[AppliedDiscount]
    line_discounts: dict[str, Money]
    shipping_discount: Money
    total_discount: Money
    coupon_refusal: str = ""


class PromotionInterface(ABC):
    @operation("promotion:read", idempotent=True, timeout=2)
    @abstractmethod
    def quote(self, *, basket: Basket) -> Quote:
        """Return what the running campaigns and the coupon take off this basket. Changes nothing; a coupon that does
        not apply is reported in ``coupon_refusal``."""

    @operation("promotion:write", idempotent=True, timeout=3)
    @abstractmethod
    def redeem(self, *, redemption_id: UUID, basket: Basket, expected_discount: Money) -> None:
        """Reserve the use of every limited discount that applies to ``basket``.

        Idempotent by ``redemption_id``. Limits hold under parallel calls.

        Raises:
            CouponRefused: the coupon no longer applies, or the total discount is not ``expected_discount`` (then
                ``total_discount`` tells the new one).
            RedemptionClosed: this redemption was released before.
        """

    @operation("promotion:write", idempotent=True, timeout=3)
    @abstractmethod
    def release(self, *, redemption_id: UUID) -> None:
        """Give a redemption's uses back. Idempotent; an unknown id is remembered as released, so that a late
        ``redeem`` of the same id is refused."""
