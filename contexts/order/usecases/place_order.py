"""Placing an order: price it, write it, and run the saga CREATE_ORDER (``sagas.py``)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from contexts.identity.interface import Address, AddressNotFound, IdentityInterface, SavedCard, SavedCardNotFound
from contexts.order import adapters
from contexts.order.domain import Method, PaymentIntent, PaymentsMismatch, Status, check_payer, settle_amounts
from contexts.order.domain.banking_days import cleared_by, day_of
from contexts.order.domain.instalments import Plan, plan
from contexts.order.models import Order, OrderLine, PaymentAttempt, TimelineEntry, payments_of
from contexts.order.usecases.price_checkout import (
    Buyer,
    EmailRequired,
    PricedCheckout,
    instalment_terms,
    price_checkout,
)
from contexts.promotion.interface import CouponRefused
from ecommerce import codec
from ecommerce.calls import connect
from ecommerce.errors import Conflict, DomainError, Kind
from ecommerce.http import idempotency
from ecommerce.ids import new_id
from ecommerce.money import Money, total
from ecommerce.saga import engine
from ecommerce.unit_of_work import unit_of_work

identity = connect(IdentityInterface)

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class TotalChanged(Conflict):
    """The order would cost something else than the buyer saw. Nothing was charged; ``total`` is the amount now."""

    code = "total_changed"


class CartBeingOrdered(Conflict):
    """The cart already is, or is just becoming, an order."""

    code = "cart_being_ordered"


class OrderRefused(DomainError):
    """The order did not come to stand: everything was given back and the cart is as before.

    ``code``, ``kind`` and the facts are those of the cause; an unexpected one is not told.
    """

    code = "order_refused"
    kind = Kind.UNAVAILABLE

    @classmethod
    def because(cls, failure: Mapping[str, Any]) -> OrderRefused:
        """Return the refusal of an order that ended with ``failure``, as orders and sagas keep it."""
        if failure["code"] == "internal_error":
            return cls("Não foi possível concluir o pedido; nada foi cobrado.")
        refused = cls(failure["detail"], **failure["params"])
        vars(refused).update(code=failure["code"], kind=Kind(failure["kind"]))
        return refused


class AlreadyRequested(Exception):
    """A parallel request with the same idempotency key was first; ``outcome`` is what is known of it."""

    def __init__(self, outcome: idempotency.Replay | idempotency.Abandoned) -> None:
        super().__init__("the same request was made before")
        self.outcome = outcome


class Claim(NamedTuple):
    """Whose idempotency key it is, the key, and the digest of the request."""

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What the buyer sends. ``expected_total`` is all that was agreed to: the total that was shown and the interest."""

    cart_id: UUID
    buyer: Buyer
    address: Address | None
    """Where to, or None for the customer's saved ``address_id``."""
    address_id: UUID | None
    shipping_method: str
    payments: list[PaymentIntent]
    expected_total: Money
    payer: dict[str, str]
    """``name`` and ``tax_id`` (CPF or CNPJ, normalized), each possibly empty."""
    return_url: str
    """Where the buyer's browser goes after an authentication at the bank; empty for the shop's own page."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An order as it stands after its checkout. ``refusal`` says why it does not stand, if so."""

    order: Order
    lines: Sequence[OrderLine]
    payments: Sequence[PaymentAttempt]
    refusal: OrderRefused | None = None


def place_order(*, checkout: Checkout, claim: Claim, now: datetime) -> Placed:
    """Place an order: it is confirmed, waits for its payment, is still pending (an answer is missing), or is refused.

    ``claim`` is the client's idempotency key; its row commits together with the order. All that was reserved or charged
    for a refused order is given back. What is raised happened before: then nothing was written.

    Raises:
        TotalChanged, CouponRefused, PaymentsMismatch, InstalmentsRefused, PayerTaxIdRequired, PayerTaxIdInvalid,
            MethodUnavailable, EmailRequired, CartBeingOrdered and what ``price_checkout`` raises
        AlreadyRequested: the key was claimed by a parallel request.
    """
    check_payer(checkout.payments, checkout.payer["tax_id"])
    address = _address(checkout)
    intents = with_cards(intents=checkout.payments, buyer=checkout.buyer)
    priced = price_checkout(
        cart_id=checkout.cart_id,
        buyer=checkout.buyer,
        state=address.state,
        shipping_method=checkout.shipping_method,
    )
    plans = _agree(checkout, priced)
    order = _order(checkout, address, priced, now)
    lines = _lines(order, priced)
    attempts = new_attempts(order=order, intents=intents, plans=plans, return_url=checkout.return_url, now=now)
    run = _write(order, lines, attempts, priced, claim, now=now)
    engine.run(run)
    if run.error is not None:
        return Placed(order=order, lines=lines, payments=attempts, refusal=OrderRefused.because(run.error))
    return _as_it_stands(order, lines)


def placed_earlier(*, order_id: UUID) -> Placed | None:
    """Return an order that an earlier request placed, as it stands now; None if there is none."""
    order = Order.objects.using("order").filter(id=order_id).first()
    return _as_it_stands(order, list(order.lines.order_by("position"))) if order else None


def _as_it_stands(order: Order, lines: Sequence[OrderLine]) -> Placed:
    """Read again what a saga changes: one statement for the order and its payments."""
    payments = payments_of(order.id)
    if payments:
        order = payments[0].order
    else:
        order.refresh_from_db(using="order")
    refusal = OrderRefused.because(order.failure) if order.failure else None
    return Placed(order=order, lines=lines, payments=payments, refusal=refusal)


def _write(
    order: Order,
    lines: list[OrderLine],
    attempts: list[PaymentAttempt],
    priced: PricedCheckout,
    claim: Claim,
    *,
    now: datetime,
) -> engine.Run:
    """Write the order, all that belongs to it, and its saga, in one transaction."""
    data = _saga_data(order, priced, attempts)
    actor = f"user:{order.customer_id}" if order.customer_id else "guest"
    first = TimelineEntry(order=order, version=1, at=now, actor=actor, to_status=Status.PENDING.value)
    try:
        with unit_of_work("order") as work:
            if earlier := idempotency.claim("order", *claim, resource_id=order.id):
                raise AlreadyRequested(earlier)
            along = [order, *lines, *attempts, first]
            return engine.start(work, "CREATE_ORDER", subject=order.id, data=data, now=now, along=along)
    except IntegrityError as error:
        if "orders_one_per_cart" in str(error):
            raise CartBeingOrdered("Este carrinho já está virando um pedido.") from error
        raise


def _agree(checkout: Checkout, priced: PricedCheckout) -> list[Plan]:
    """Check the offer against what the buyer saw, and the payments against the offer; return how each is paid."""
    if not (checkout.buyer.email or priced.cart.email):
        raise EmailRequired("Informe um e-mail para fazer o pedido.")
    due = priced.totals.due
    if reason := priced.quote.coupon_refusal:
        raise CouponRefused("O cupom não se aplica a este pedido.", reason=reason, total=due)
    plans = _plans(checkout, due) if due else []
    _expect(checkout, due + total(plan.interest for plan in plans))
    return plans


def _plans(checkout: Checkout, due: Money) -> list[Plan]:
    try:
        amounts = settle_amounts(checkout.payments, due)
    except PaymentsMismatch:
        _expect(checkout, due)
        raise
    chosen, terms = zip(checkout.payments, amounts, strict=True), instalment_terms()
    return [plan(amount, intent.method, intent.instalments, terms) for intent, amount in chosen]


def _expect(checkout: Checkout, agreed: Money) -> None:
    if agreed != checkout.expected_total:
        raise TotalChanged("O total do pedido mudou.", total=agreed, expected=checkout.expected_total)


def _order(checkout: Checkout, address: Address, priced: PricedCheckout, now: datetime) -> Order:
    assert priced.shipping is not None
    applied = codec.to_builtins(priced.quote.applied)
    return Order(
        id=new_id(),
        number="".join(secrets.choice(ALPHABET) for _ in range(9)),
        cart_id=priced.cart.id,
        cart_version=priced.cart.version,
        customer_id=checkout.buyer.customer_id,
        email=(checkout.buyer.email or priced.cart.email).lower(),
        locale=checkout.buyer.locale,
        items_total=priced.totals.items.amount,
        shipping_total=priced.totals.shipping.amount,
        discount_total=priced.totals.discount.amount,
        total=priced.totals.due.amount,
        address_snapshot={**codec.to_builtins(address), "payer": checkout.payer},
        shipping_snapshot=codec.to_builtins(priced.shipping),
        coupon_snapshot={"code": priced.cart.coupon_code, "applied": applied} if applied else None,
        placed_at=now,
    )


def _lines(order: Order, priced: PricedCheckout) -> list[OrderLine]:
    return [
        OrderLine(
            order=order,
            position=position,
            variant_id=line.variant.id,
            product_id=line.variant.product_id,
            sku=line.variant.sku,
            name=line.variant.product_name,
            options=line.variant.options,
            image_url=line.variant.image_url,
            weight_grams=line.variant.weight_grams,
            quantity=line.quantity,
            unit_price=line.variant.price.amount,
            discount=line.discount.amount,
            total=(line.gross - line.discount).amount,
        )
        for position, line in enumerate(priced.lines)
    ]


def new_attempts(
    *, order: Order, intents: Sequence[PaymentIntent], plans: Sequence[Plan], return_url: str, now: datetime
) -> list[PaymentAttempt]:
    """Return one attempt per plan; an order that costs nothing has none.

    Raises:
        MethodUnavailable, InstalmentsRefused: no gateway takes such a payment.
    """
    gateways = [adapters.gateway_for(intent.method, instalments=intent.instalments) for intent in intents]
    return [
        PaymentAttempt(
            order=order,
            position=position,
            gateway=gateway,
            method=intent.method.value,
            amount=plan.amount.amount,
            interest=plan.interest.amount,
            instalments=plan.count,
            captures_later=_captures_later(intent.method, gateway),
            instrument={
                "token": intent.card_token, "brand": intent.card_brand, "last4": intent.card_last4,
                "voucher_code": intent.voucher_code,
                "return_url": return_url or f"{settings.STOREFRONT_URL or settings.PUBLIC_URL}/",
            },
            expires_at=_expiry(intent.method, now),
            created_at=now,
            updated_at=now,
        )
        for position, (intent, plan, gateway) in enumerate(zip(intents, plans, gateways, strict=False))
    ]  # fmt: skip


def _captures_later(method: Method, gateway: str) -> bool:
    return method in settings.CAPTURE_LATER and method in adapters.gateway(gateway).capabilities.authorizes


def _expiry(method: Method, now: datetime) -> datetime:
    """Return when an unpaid payment lapses; for a boleto when the banks must have reported it."""
    if method == Method.PIX:
        return now + settings.PIX_EXPIRY
    if method == Method.BOLETO:
        return cleared_by(day_of(now + settings.BOLETO_DUE), settings.BOLETO_CLEARING)
    return now + settings.CARD_ACTION_TIMEOUT


def _saga_data(order: Order, priced: PricedCheckout, attempts: Sequence[PaymentAttempt]) -> dict[str, Any]:
    """What the steps need to know without asking the database again. Stock is held as long as money may arrive."""
    lapses = [attempt.expires_at for attempt in attempts]
    return {
        "cart_id": str(priced.cart.id),
        "cart_version": priced.cart.version,
        "basket": codec.to_builtins(priced.basket),
        "discount": codec.to_builtins(priced.totals.discount),
        "hold_until": max([order.placed_at, *lapses]) + settings.PAYMENT_RETRY_WINDOW + settings.STOCK_HOLD_MARGIN,
    }


def _address(checkout: Checkout) -> Address:
    if checkout.address is not None:
        return checkout.address
    if checkout.buyer.customer_id is None or checkout.address_id is None:
        raise AddressNotFound("Endereço não encontrado.")
    return identity.get_address(customer_id=checkout.buyer.customer_id, address_id=checkout.address_id)


def with_cards(*, intents: Sequence[PaymentIntent], buyer: Buyer) -> list[PaymentIntent]:
    """Return the intents with the gateway's tokens of the customer's saved cards, where they name one. One call.

    Raises:
        SavedCardNotFound: the buyer has no such card.
    """
    wanted = list({intent.saved_card_id for intent in intents if intent.saved_card_id})
    if not wanted:
        return list(intents)
    if buyer.customer_id is None:
        raise SavedCardNotFound("Cartão não encontrado.")
    cards = {card.id: card for card in identity.get_saved_cards(customer_id=buyer.customer_id, card_ids=wanted)}
    if len(cards) < len(wanted):
        raise SavedCardNotFound("Cartão não encontrado.")
    return [_with_card(intent, cards[intent.saved_card_id]) if intent.saved_card_id else intent for intent in intents]


def _with_card(intent: PaymentIntent, card: SavedCard) -> PaymentIntent:
    return replace(intent, card_token=card.token, card_brand=card.brand, card_last4=card.last4)
