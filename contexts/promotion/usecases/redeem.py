"""Reserve the uses that a basket takes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contexts.promotion.domain import Refusal
from contexts.promotion.interface import Basket, CouponRefused, Quote, RedemptionClosed
from contexts.promotion.models import Buyer, Campaign, Coupon, CouponCustomerUse, Redemption
from contexts.promotion.queries.offers import CouponOffer, Offers, find_offers
from ecommerce import codec
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work

SENTENCES = {
    Refusal.UNKNOWN: "Este cupom não existe.",
    Refusal.NOT_STARTED: "Este cupom ainda não é válido.",
    Refusal.ENDED: "Este cupom não é mais válido.",
    Refusal.EXHAUSTED: "Este cupom esgotou.",
    Refusal.CUSTOMER_LIMIT: "Você já usou este cupom.",
    Refusal.BUDGET: "Esta promoção esgotou.",
    Refusal.MINIMUM: "O valor mínimo deste cupom não foi atingido.",
    Refusal.NOT_APPLICABLE: "O desconto mudou.",
    Refusal.FIRST_PURCHASE_ONLY: "Este cupom vale só para a primeira compra.",
}


class _LimitReached(Exception):
    """Somebody else took the last use since the quote."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What a redemption takes from limits: an amount from each limited campaign, a use of the coupon, and the buyer's
    first purchase, which there is one of."""

    campaigns: dict[UUID, Decimal]
    coupon: CouponOffer | None
    first_purchase: bool

    def __bool__(self) -> bool:
        return bool(self.campaigns) or self.coupon is not None or self.first_purchase

    @classmethod
    def of(cls, quote: Quote, offers: Offers) -> "_Claim":
        limited = {rule.discount_id: rule.campaign_id for rule in offers.rules if rule.limited}
        campaigns: dict[UUID, Decimal] = {}
        for discount in quote.applied:
            if campaign_id := limited.get(discount.discount_id):
                campaigns[campaign_id] = campaigns.get(campaign_id, Decimal(0)) + discount.amount.amount
        used = any(discount.coupon_code for discount in quote.applied)
        for_first = {rule.discount_id for rule in offers.rules if rule.first_purchase_only}
        first = any(discount.discount_id in for_first for discount in quote.applied)
        return cls(campaigns=campaigns, coupon=offers.coupon if used else None, first_purchase=first)


def redeem(*, redemption_id: UUID, basket: Basket, expected_discount: Money, now: datetime) -> None:
    """Reserve a use of the coupon and of every limited campaign that ``basket`` gets something from, and the buyer's
    first purchase if it gets something for that.

    Idempotent by id. A basket without any of them leaves no row: one statement, no write. Otherwise the limits are
    conditional updates in one transaction, locked in the order redemption, campaigns, coupon, customer.

    Raises:
        BasketInvalid: the basket breaks its contract.
        CouponRefused: the coupon does not apply, a limit was reached meanwhile, or the total discount is not
            ``expected_discount``; ``reason`` and ``total_discount`` tell.
        RedemptionClosed: the redemption was released before.
    """
    offers = find_offers(basket=basket, now=now, redemption_id=redemption_id)
    if _already_redeemed(offers.redemption_status):
        return
    quote = offers.quote(basket)
    if quote.coupon_refusal or quote.total_discount != expected_discount:
        raise _refused(quote, Refusal(quote.coupon_refusal or Refusal.NOT_APPLICABLE))
    claim = _Claim.of(quote, offers)
    if not claim:
        return
    redemption = Redemption(
        id=redemption_id,
        status=Redemption.Status.RESERVED,
        coupon_id=claim.coupon.id if claim.coupon else None,
        customer_keys=offers.customer_keys,
        amounts=_amounts(quote, claim),
        reserved_at=now,
    )
    try:
        with unit_of_work("promotion"):
            _reserve(redemption, claim)
    except _LimitReached as limit:
        left = find_offers(basket=basket, now=now, redemption_id=redemption_id).quote(basket)
        raise _refused(left, Refusal(left.coupon_refusal or limit.reason)) from limit


def _reserve(redemption: Redemption, claim: _Claim) -> None:
    if not Redemption.objects.insert_if_absent(redemption):
        _already_redeemed(Redemption.objects.values_list("status", flat=True).get(id=redemption.id))
        return
    if claim.campaigns and not Campaign.objects.charge(claim.campaigns):
        raise _LimitReached(Refusal.BUDGET)
    if claim.coupon is not None:
        _take_use(redemption, claim.coupon)
    if claim.first_purchase and not Buyer.objects.take_first(
        order_id=redemption.id, customer_keys=redemption.customer_keys
    ):
        raise _LimitReached(Refusal.FIRST_PURCHASE_ONLY)


def _take_use(redemption: Redemption, coupon: CouponOffer) -> None:
    if not Coupon.objects.take_use(coupon_id=coupon.id):
        raise _LimitReached(Refusal.EXHAUSTED)
    if redemption.customer_keys and not CouponCustomerUse.objects.take(
        coupon_id=coupon.id,
        customer_keys=redemption.customer_keys,
        limit=coupon.per_customer_limit,
    ):
        raise _LimitReached(Refusal.CUSTOMER_LIMIT)


def _already_redeemed(status: str) -> bool:
    """Tell whether a redemption of this status stands; a released one is refused."""
    if status == Redemption.Status.RELEASED:
        raise RedemptionClosed("Este resgate foi devolvido; use outro identificador.")
    return bool(status)


def _refused(quote: Quote, reason: Refusal) -> CouponRefused:
    return CouponRefused(SENTENCES[reason], reason=reason.value, total_discount=codec.to_builtins(quote.total_discount))


def _amounts(quote: Quote, claim: _Claim) -> dict[str, object]:
    return {
        "total": str(quote.total_discount.amount),
        "currency": quote.total_discount.currency,
        "discounts": [
            {"id": str(discount.discount_id), "label": discount.label, "amount": str(discount.amount.amount)}
            for discount in quote.applied
        ],
        "campaigns": {str(campaign_id): str(amount) for campaign_id, amount in claim.campaigns.items()},
    }
