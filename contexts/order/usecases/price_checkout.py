"""Pricing a checkout: what the order would cost now, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from contexts.cart.interface import Cart, CartInterface
from contexts.catalog.interface import CatalogInterface, Variant, VariantUnavailable
from contexts.order.adapters import most_instalments
from contexts.order.domain import Method, PaymentsMismatch, Totals
from contexts.order.domain.instalments import Plan, Terms, plans
from contexts.order.queries import ShippingOption, shipping_options
from contexts.promotion.interface import Basket, BasketLine, PromotionInterface, Quote
from ecommerce.calls import connect
from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.money import Money, total

carts = connect(CartInterface)
catalog = connect(CatalogInterface)
promotions = connect(PromotionInterface)


class CartEmpty(Conflict):
    code = "cart_empty"


class CartClosed(Conflict):
    """The cart became an order or expired; ``status`` tells."""

    code = "cart_closed"


class ShippingUnavailable(NotFound):
    """The shop does not send this weight there by this method; ``methods`` lists those it has."""

    code = "shipping_unavailable"


class EmailRequired(Invalid):
    code = "email_required"


@dataclass(frozen=True, kw_only=True)
class Buyer:
    """Who buys: a customer, or a guest who holds the cart's token."""

    customer_id: UUID | None = None
    email: str = ""
    cart_token: str = ""
    locale: str = "pt-br"


@dataclass(frozen=True, kw_only=True)
class PricedLine:
    variant: Variant
    quantity: int
    discount: Money

    @property
    def gross(self) -> Money:
        return self.variant.price * self.quantity


@dataclass(frozen=True, kw_only=True)
class PricedCheckout:
    """A cart at today's prices. ``shipping`` is empty as long as no method is chosen."""

    cart: Cart
    lines: list[PricedLine]
    basket: Basket
    quote: Quote
    options: list[ShippingOption]
    shipping: ShippingOption | None
    totals: Totals


def price_checkout(*, cart_id: UUID, buyer: Buyer, state: str, shipping_method: str | None) -> PricedCheckout:
    """Price a cart that ``buyer`` owns, sent to ``state`` (UF) by ``shipping_method``. Changes nothing.

    Raises:
        CartNotFound: unknown, or somebody else's.
        CartEmpty, CartClosed: there is nothing to buy.
        VariantUnavailable: a line is no longer sold.
        ShippingUnavailable
    """
    cart = carts.get_cart(cart_id=cart_id, customer_id=buyer.customer_id, token=buyer.cart_token)
    if cart.status != "open":
        raise CartClosed("Este carrinho não está mais aberto.", status=cart.status)
    if not cart.lines:
        raise CartEmpty("O carrinho está vazio.")
    variants = _sellable(cart)
    weight = sum(variants[line.variant_id].weight_grams * line.quantity for line in cart.lines)
    options = shipping_options(state=state, weight_grams=weight)
    shipping = _chosen(options, shipping_method)
    basket = _basket(cart, variants, shipping.price if shipping else Money(Decimal(0)), buyer)
    quote = promotions.quote(basket=basket)
    lines = [
        PricedLine(
            variant=variants[line.variant_id],
            quantity=line.quantity,
            discount=quote.line_discounts[str(line.variant_id)],
        )
        for line in cart.lines
    ]
    totals = Totals(items=total(line.gross for line in lines), discount=quote.total_discount, shipping=basket.shipping)
    return PricedCheckout(
        cart=cart, lines=lines, basket=basket, quote=quote, options=options, shipping=shipping, totals=totals
    )


def instalment_terms() -> Terms:
    """Return what the shop offers to those who pay by card."""
    return Terms(
        most=settings.MAXIMUM_INSTALMENTS,
        smallest=settings.MINIMUM_INSTALMENT,
        free=settings.FREE_INSTALMENTS,
        monthly_rate=settings.INSTALMENT_MONTHLY_RATE,
    )


def instalment_options(*, due: Money, card_amount: Money | None) -> list[Plan]:
    """Return the ways to pay by card what is ``due``, or the part of it that ``card_amount`` is.

    There are none if no gateway takes cards, and one if it has no instalments.

    Raises:
        PaymentsMismatch: that is no part of it.
    """
    if not due:
        return []
    amount = due if card_amount is None else card_amount
    if amount.currency != due.currency or not 0 < amount.amount <= due.amount:
        raise PaymentsMismatch("O valor no cartão precisa ser uma parte do total do pedido.", total=due)
    most, terms = most_instalments(Method.CARD), instalment_terms()
    if most == 0:
        return []
    return plans(amount, Method.CARD, terms if most is None else replace(terms, most=most))


def _sellable(cart: Cart) -> dict[UUID, Variant]:
    found = {variant.id: variant for variant in catalog.get_variants(ids=[line.variant_id for line in cart.lines])}
    sold = {variant.id for variant in found.values() if variant.on_sale}
    gone = [line.variant_id for line in cart.lines if line.variant_id not in sold]
    if gone:
        raise VariantUnavailable("Há itens que não estão mais à venda.", variant_ids=gone)
    return found


def _chosen(options: Sequence[ShippingOption], code: str | None) -> ShippingOption | None:
    if code is None:
        return None
    for option in options:
        if option.code == code:
            return option
    methods = [option.code for option in options]
    raise ShippingUnavailable("Não enviamos este pedido para lá por essa forma de envio.", methods=methods)


def _basket(cart: Cart, variants: dict[UUID, Variant], shipping: Money, buyer: Buyer) -> Basket:
    return Basket(
        lines=[
            BasketLine(
                line_id=str(line.variant_id),
                variant_id=line.variant_id,
                product_id=variants[line.variant_id].product_id,
                category_ids=variants[line.variant_id].category_ids,
                unit_price=variants[line.variant_id].price,
                quantity=line.quantity,
            )
            for line in cart.lines
        ],
        shipping=shipping,
        coupon_code=cart.coupon_code,
        customer_id=buyer.customer_id,
        email=buyer.email or cart.email,
    )
