"""The sagas of orders. Steps call other contexts, the payment gateway, or one use case of this context.

The order's id names its stock reservation and its coupon redemption, and each payment attempt's id its charge, so that
every step can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from contexts.cart.interface import CartInterface
from contexts.catalog.interface import CatalogInterface, StockLine
from contexts.order.events import OrderedLine
from contexts.order.usecases.pay import charge_order, close_payments, refund_order
from contexts.order.usecases.refund import finish_refund, pay_refund
from contexts.order.usecases.settle import await_payment, confirm_order, reject_order
from contexts.promotion.interface import Basket, CouponRefused, PromotionInterface
from ecommerce import codec
from ecommerce.calls import connect
from ecommerce.money import Money, total
from ecommerce.saga.definition import Retry, Saga, SagaState, Step, Wait, register

carts = connect(CartInterface)
catalog = connect(CatalogInterface)
promotions = connect(PromotionInterface)


def reserve_inventory(saga: SagaState) -> None:
    """Hold the pieces for as long as money may come."""
    expires_at = datetime.fromisoformat(saga.data["hold_until"])
    catalog.reserve_stock(reservation_id=saga.subject, lines=_stock_lines(saga), expires_at=expires_at)


def release_inventory(saga: SagaState) -> None:
    """Let the pieces go; a late reservation finds that they were."""
    catalog.release_stock(reservation_id=saga.subject)


def validate_coupon(saga: SagaState) -> None:
    """Redeem what the quote promised.

    Raises:
        CouponRefused: it no longer applies; ``total`` is what the order would cost now.
    """
    discount = codec.from_builtins(saga.data["discount"], Money)
    basket = _basket(saga)
    try:
        promotions.redeem(redemption_id=saga.subject, basket=basket, expected_discount=discount)
    except CouponRefused as refused:
        if left := refused.params.get("total_discount"):
            items = total(line.unit_price * line.quantity for line in basket.lines)
            refused.params["total"] = items + basket.shipping - codec.from_builtins(left, Money)
        raise


def release_coupon(saga: SagaState) -> None:
    """Give the coupon's use back."""
    promotions.release(redemption_id=saga.subject)


def has_discount(data: Mapping[str, Any]) -> bool:
    return bool(codec.from_builtins(data["discount"], Money))


def process_payment(saga: SagaState) -> Wait | None:
    """Charge the order. If it has to wait for money it stands all the same: its cart is used up from then on."""
    outlook = charge_order(order_id=saga.subject, now=saga.now)
    if outlook.waits_until is None:
        return None
    convert_cart(saga)
    await_payment(order_id=saga.subject, now=saga.now)
    return Wait(until=outlook.waits_until, data={"waited": True})


def refund_payment(saga: SagaState) -> None:
    """Give back what was paid, let go of what was not, and open the cart again."""
    reopen_cart(saga)
    refund_order(order_id=saga.subject, reason="order failed", now=saga.now)


def has_waited(data: Mapping[str, Any]) -> bool:
    return bool(data.get("waited"))


def keep_inventory(saga: SagaState) -> None:
    """Make sure of the pieces once the money is there, which may be later than they were held.

    Raises:
        OutOfStock: they were sold to others; the money goes back.
    """
    until = saga.now + settings.STOCK_HOLD_MARGIN
    catalog.renew_stock(reservation_id=saga.subject, lines=_stock_lines(saga), expires_at=until)


def convert_cart(saga: SagaState) -> None:
    """Close the cart: it has become this order."""
    carts.convert(cart_id=UUID(saga.data["cart_id"]), version=saga.data["cart_version"], order_id=saga.subject)


def reopen_cart(saga: SagaState) -> None:
    """Give the cart back to its buyer, as it was."""
    carts.reopen(cart_id=UUID(saga.data["cart_id"]), order_id=saga.subject)


def send_confirmation(saga: SagaState) -> None:
    """Confirm the order; the event it publishes makes notification write to the buyer."""
    lines = [
        OrderedLine(
            variant_id=line.variant_id, product_id=line.product_id, quantity=line.quantity, unit_price=line.unit_price
        )
        for line in _basket(saga).lines
    ]
    confirm_order(order_id=saga.subject, lines=lines, now=saga.now)


def reject(saga: SagaState) -> None:
    """End the order: it never came to stand."""
    assert saga.error is not None
    reject_order(order_id=saga.subject, error=saga.error, now=saga.now)


def give_money_back(saga: SagaState) -> None:
    """Give back all that was paid, and let go of what was not."""
    refund_order(order_id=saga.subject, reason=saga.data["reason"], now=saga.now)


def send_money_back(saga: SagaState) -> None:
    """Ask the gateway to give a part back."""
    pay_refund(refund_id=UUID(saga.data["refund_id"]), now=saga.now)


def tell_about_refund(saga: SagaState) -> None:
    """Tell what went back, and put returned pieces into stock."""
    finish_refund(refund_id=UUID(saga.data["refund_id"]), now=saga.now)


def close_open_payments(saga: SagaState) -> None:
    """Let the payments go that nobody waits for any more."""
    close_payments(order_id=saga.subject, now=saga.now)


def _stock_lines(saga: SagaState) -> list[StockLine]:
    return [StockLine(variant_id=line.variant_id, quantity=line.quantity) for line in _basket(saga).lines]


def _basket(saga: SagaState) -> Basket:
    basket: Mapping[str, Any] = saga.data["basket"]
    return codec.from_builtins(basket, Basket)


_UNTIL_PAID = (
    Step("write_order", undo=reject),
    Step("reserve_inventory", do=reserve_inventory, undo=release_inventory),
    Step("validate_coupon", do=validate_coupon, undo=release_coupon, when=has_discount),
    Step("process_payment", do=process_payment, undo=refund_payment, retry=Retry(attempts=20)),
)
_ONCE_PAID = (
    Step("convert_cart", do=convert_cart, undo=reopen_cart, retry=Retry(attempts=20)),
    Step("send_confirmation", do=send_confirmation, retry=Retry(attempts=20)),
)

register(Saga("CREATE_ORDER", steps=(*_UNTIL_PAID, *_ONCE_PAID)))
"""For orders that were placed before the pieces were made sure of; some wait for a boleto."""

CREATE_ORDER = register(
    Saga(
        "CREATE_ORDER",
        version=2,
        steps=(
            *_UNTIL_PAID,
            Step("keep_inventory", do=keep_inventory, retry=Retry(attempts=20), when=has_waited),
            *_ONCE_PAID,
        ),
    )
)

CANCEL_ORDER = register(
    Saga(
        "CANCEL_ORDER",
        steps=(
            Step("cancel_order"),
            Step("refund_payments", do=give_money_back, retry=Retry(attempts=1000), final=True),
        ),
    )
)

REFUND_ORDER = register(
    Saga(
        "REFUND_ORDER",
        steps=(
            Step("book_late_money"),
            Step("refund_payments", do=give_money_back, retry=Retry(attempts=1000), final=True),
        ),
    )
)
"""For money that arrived after its order had ended."""

REFUND_PART = register(
    Saga(
        "REFUND_PART",
        steps=(
            Step("write_refund"),
            Step("send_money_back", do=send_money_back, retry=Retry(attempts=1000), final=True),
            Step("tell_about_refund", do=tell_about_refund, retry=Retry(attempts=1000), final=True),
        ),
    )
)
"""For a part of the money of an order that stands: pieces given back, or what was paid beyond its total."""

CLOSE_PAYMENTS = register(
    Saga(
        "CLOSE_PAYMENTS",
        steps=(
            Step("confirm_order"),
            Step("close_open_payments", do=close_open_payments, retry=Retry(attempts=1000), final=True),
        ),
    )
)
"""For the payments that an order no longer waits for, because another one came first."""
