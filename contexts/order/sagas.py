"""The sagas of orders. Steps call other contexts, the payment gateway, or one use case of this context.

The order's id names its stock reservation and its coupon redemption, and each payment attempt's id its charge, so that
every step can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.cart.interface import CartInterface
from contexts.catalog.interface import CatalogInterface, StockLine
from contexts.order.events import OrderedLine
from contexts.order.usecases.pay import charge_order, refund_order
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
    lines = [StockLine(variant_id=line.variant_id, quantity=line.quantity) for line in _basket(saga).lines]
    expires_at = datetime.fromisoformat(saga.data["hold_until"])
    catalog.reserve_stock(reservation_id=saga.subject, lines=lines, expires_at=expires_at)


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
    return Wait(until=outlook.waits_until)


def refund_payment(saga: SagaState) -> None:
    """Give back what was paid, let go of what was not, and open the cart again."""
    reopen_cart(saga)
    refund_order(order_id=saga.subject, reason="order failed", now=saga.now)


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


def _basket(saga: SagaState) -> Basket:
    basket: Mapping[str, Any] = saga.data["basket"]
    return codec.from_builtins(basket, Basket)


CREATE_ORDER = register(
    Saga(
        "CREATE_ORDER",
        steps=(
            Step("write_order", undo=reject),
            Step("reserve_inventory", do=reserve_inventory, undo=release_inventory),
            Step("validate_coupon", do=validate_coupon, undo=release_coupon, when=has_discount),
            Step("process_payment", do=process_payment, undo=refund_payment, retry=Retry(attempts=20)),
            Step("convert_cart", do=convert_cart, undo=reopen_cart, retry=Retry(attempts=20)),
            Step("send_confirmation", do=send_confirmation, retry=Retry(attempts=20)),
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
