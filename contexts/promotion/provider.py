from uuid import UUID

from contexts.promotion.interface import Basket, PromotionInterface, Quote
from contexts.promotion.usecases import quote, redeem, settle
from ecommerce.calls import provides
from ecommerce.clock import now
from ecommerce.money import Money


@provides(PromotionInterface)
class PromotionProvider(PromotionInterface):
    def quote(self, *, basket: Basket) -> Quote:
        return quote.quote_basket(basket=basket, now=now())

    def redeem(self, *, redemption_id: UUID, basket: Basket, expected_discount: Money) -> None:
        redeem.redeem(redemption_id=redemption_id, basket=basket, expected_discount=expected_discount, now=now())

    def release(self, *, redemption_id: UUID) -> None:
        settle.release(redemption_id=redemption_id, now=now())
