from datetime import datetime

from contexts.promotion.interface import Basket, Quote
from contexts.promotion.queries.offers import find_offers


def quote_basket(*, basket: Basket, now: datetime) -> Quote:
    """Return what promotions take off ``basket`` at ``now``. One statement, no write.

    Raises:
        BasketInvalid: the basket breaks its contract.
    """
    return find_offers(basket=basket, now=now).quote(basket)
