"""What must hold of all books once they have come to rest, whatever raced. Pure: it looks at evidence only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.races.evidence import NOTHING, Evidence, Order

PAID = frozenset({"confirmed", "partially_shipped", "shipped", "delivered"})
ENDED = frozenset({"cancelled", "failed"})


def breaches(evidence: Evidence) -> list[str]:
    """Return what does not hold, in words; nothing if all is well."""
    return [breach for check in CHECKS for breach in check(evidence)]


def _orders_have_ended(evidence: Evidence) -> Iterator[str]:
    for id_, order in evidence.orders.items():
        if order.status not in PAID | ENDED:
            yield f"order {id_} is still {order.status}"
    for saga, subject, status in evidence.sagas:
        yield f"{saga} of {subject} is {status}"
    if evidence.parked:
        yield f"{evidence.parked} events are parked"


def _money_equals_goods(evidence: Evidence) -> Iterator[str]:
    """A paid order keeps its total and the interest, less what was given back; any other keeps nothing."""
    for id_, order in evidence.orders.items():
        payments = [payment for payment in evidence.payments.values() if payment.order == id_]
        kept = sum((payment.captured - payment.refunded for payment in payments), NOTHING)
        due = NOTHING
        if order.status in PAID:
            interest = sum((payment.interest for payment in payments if payment.captured), NOTHING)
            due = order.total - order.refunded + interest - order.refunded_interest
        if kept != due:
            yield f"order {id_}, {order.status}, keeps {kept} where {due} is due"
        if order.refunds_open:
            yield f"order {id_} has {order.refunds_open} refunds under way"


def _the_bank_agrees(evidence: Evidence) -> Iterator[str]:
    for id_, payment in evidence.payments.items():
        ours, theirs = (payment.captured, payment.refunded), (payment.captured_by_bank, payment.refunded_by_bank)
        if ours != theirs:
            yield f"payment {id_}: captured and refunded {ours} by us, {theirs} by the bank"
        if payment.charges > 1:
            yield f"payment {id_} was charged {payment.charges} times"
    for reference in evidence.charges_of_nobody:
        yield f"the bank charged {reference}, which is no payment of ours"


def _pieces_follow_orders(evidence: Evidence) -> Iterator[str]:
    for id_, order in evidence.orders.items():
        sold = order.pieces - order.restocked if order.status in PAID else Counter()
        if +order.sold != sold:
            yield f"order {id_}, {order.status}, took {dict(+order.sold)} from stock where {dict(sold)} is due"
        if order.held:
            yield f"order {id_}, {order.status}, still holds {dict(order.held)}"


def _stock_adds_up(evidence: Evidence) -> Iterator[str]:
    """reserved + free + sold = what came in, by the balance, by the ledger, and by the orders."""
    by_orders = sum((order.sold for order in evidence.orders.values()), Counter[str]())
    for variant, stock in evidence.stock.items():
        if stock.on_hand + stock.sold != stock.received:
            yield f"variant {variant}: {stock.on_hand} on hand and {stock.sold} sold of {stock.received} received"
        if stock.reserved != stock.reserved_by_ledger:
            yield f"variant {variant}: {stock.reserved} reserved, {stock.reserved_by_ledger} by the ledger"
        if stock.sold != by_orders[variant]:
            yield f"variant {variant}: {stock.sold} sold, {by_orders[variant]} to orders"
        if not 0 <= stock.reserved <= stock.on_hand:
            yield f"variant {variant}: {stock.reserved} reserved of {stock.on_hand}"


def _coupons_add_up(evidence: Evidence) -> Iterator[str]:
    for code, coupon in evidence.coupons.items():
        if (coupon.used, coupon.confirmed) != (coupon.redemptions, coupon.confirmed_redemptions):
            yield f"coupon {code}: counters {coupon.used}/{coupon.confirmed}, " \
                  f"redemptions {coupon.redemptions}/{coupon.confirmed_redemptions}"  # fmt: skip
        if coupon.limit is not None and coupon.used > coupon.limit:
            yield f"coupon {code}: used {coupon.used} times, {coupon.limit} allowed"
        if coupon.per_customer is not None and coupon.most_by_one > coupon.per_customer:
            yield f"coupon {code}: used {coupon.most_by_one} times by one, {coupon.per_customer} allowed"
    for id_, order in evidence.orders.items():
        if order.coupon in evidence.coupons and (breach := _redemption(order)):
            yield f"order {id_}, {order.status}: {breach}"


def _redemption(order: Order) -> str:
    if order.status in PAID and order.redemption != "confirmed":
        return f"its use of the coupon is {order.redemption or 'missing'}"
    if order.status in ENDED and order.redemption not in ("", "released"):
        return f"its use of the coupon is {order.redemption}"
    return ""


def _one_confirmation_each(evidence: Evidence) -> Iterator[str]:
    for id_, order in evidence.orders.items():
        expected = (1,) if order.status in PAID else (0, 1) if order.status == "cancelled" else (0,)
        if len(order.confirmations) not in expected:
            yield f"order {id_}, {order.status}, was confirmed by {len(order.confirmations)} mails"
        for message_id in order.confirmations:
            arrived = 1 if evidence.mails is None else evidence.mails[message_id]
            if not message_id or arrived != 1:
                yield f"order {id_}: its confirmation arrived {arrived if message_id else 0} times"


CHECKS = (
    _orders_have_ended,
    _money_equals_goods,
    _the_bank_agrees,
    _pieces_follow_orders,
    _stock_adds_up,
    _coupons_add_up,
    _one_confirmation_each,
)
