"""Another payment for an order that waits for its money: the buyer would rather pay otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from contexts.catalog.interface import CatalogInterface, StockLine
from contexts.order.domain import PaymentIntent, Status, check_payer, settle_amounts
from contexts.order.domain.instalments import Plan, plan
from contexts.order.interface import OrderNotFound
from contexts.order.models import Order, PaymentAttempt, balances_of, locked_order, payments_of
from contexts.order.usecases.pay import OrderNotPayable, charge_attempt
from contexts.order.usecases.payment_codes import PaymentCodeRefused
from contexts.order.usecases.place_order import AlreadyRequested, Claim, TotalChanged, new_attempts, with_cards
from contexts.order.usecases.price_checkout import Buyer, instalment_options, instalment_terms
from ecommerce.calls import connect
from ecommerce.errors import Conflict, Kind
from ecommerce.errors import DomainError as Refusal
from ecommerce.http import idempotency
from ecommerce.money import Money, total
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

catalog = connect(CatalogInterface)

MOST_ATTEMPTS = 30
TAKEN_UP_AFTER = timedelta(seconds=25)
"""Then a worker charges what the request that added it has not charged: it may have died."""


class TooManyPayments(Conflict):
    """The order has had as many payments as an order may have."""

    code = "too_many_payments"


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """How the buyer wants to pay what is missing. ``payer`` has ``name`` and ``tax_id``, each possibly empty."""

    order_id: UUID
    buyer: Buyer
    intent: PaymentIntent
    payer: Mapping[str, str]
    return_url: str
    expected: Money | None = None
    """All that the buyer agreed to: what is missing, and the interest. Without interest it need not be said."""


def add_payment(*, wanted: PaymentRequest, claim: Claim, now: datetime) -> PaymentAttempt:
    """Charge what an order still lacks in another way; return the payment as far as it has come.

    Payments that are open stay open until the order is paid, and are closed then; what is paid twice goes back. The
    pieces are held as long as this payment may take. One whose code is not what was asked for is let go. ``claim`` is
    the client's idempotency key.

    Raises:
        OrderNotFound, TooManyPayments, TotalChanged, PaymentsMismatch, InstalmentsRefused, PayerTaxIdRequired,
            PayerTaxIdInvalid, MethodUnavailable, SavedCardNotFound
        OrderNotPayable: the order waits for no money.
        OutOfStock: its pieces are no longer held, and gone.
        AlreadyRequested: the key was claimed by a parallel request.
    """
    order = Order.objects.using("order").filter(id=wanted.order_id).first()
    if order is None:
        raise OrderNotFound("Pedido não encontrado.")
    _check_waiting(order)
    payer = wanted.payer if wanted.payer["tax_id"] else order.address_snapshot.get("payer", wanted.payer)
    check_payer([wanted.intent], payer["tax_id"])
    [intent] = with_cards(intents=[wanted.intent], buyer=wanted.buyer)
    most = _plan(intent, order.due)
    [attempt] = new_attempts(order=order, intents=[intent], plans=[most], return_url=wanted.return_url, now=now)
    attempt.instrument["payer"] = dict(payer)
    _hold(order, attempt)
    _write(attempt, wanted, claim, now=now)
    try:
        charge_attempt(attempt=attempt, now=now)
    except (OutcomeUnknown, PaymentCodeRefused):
        pass  # the attempt says so itself, and the saga goes on
    except Refusal as away:
        if away.kind != Kind.UNAVAILABLE:
            raise
    attempt.refresh_from_db(using="order")
    return attempt


def offer_for(*, order: Order) -> tuple[Money, list[Plan]]:
    """Return what an order still lacks, and the ways to pay that by card. One statement.

    Raises:
        OrderNotPayable: the order waits for no money.
    """
    _check_waiting(order)
    missing = _missing(order)
    return missing, instalment_options(due=missing, card_amount=None)


def _missing(order: Order) -> Money:
    """Return what an order still lacks, in one statement.

    Raises:
        OrderNotPayable: nothing.
    """
    missing = order.due - total(balance.secured for balance in balances_of(order.id).values())
    if missing.amount <= 0:
        raise OrderNotPayable("O pedido já está pago.", status=order.status)
    return missing


def _write(attempt: PaymentAttempt, wanted: PaymentRequest, claim: Claim, *, now: datetime) -> None:
    """Write the payment for what is missing now, and let a worker charge it should we die before we do."""
    with unit_of_work("order") as work:
        if earlier := idempotency.claim("order", *claim, resource_id=attempt.id):
            raise AlreadyRequested(earlier)
        order = locked_order(attempt.order_id)
        assert order is not None
        _check_waiting(order)
        others = payments_of(order.id)
        if len(others) >= MOST_ATTEMPTS:
            raise TooManyPayments("Este pedido já teve pagamentos demais.")
        [amount] = settle_amounts([wanted.intent], _missing(order))
        chosen = _plan(wanted.intent, amount)
        agreed = amount if wanted.expected is None else wanted.expected
        if chosen.total != agreed:
            raise TotalChanged("O valor a pagar não é esse.", total=chosen.total, expected=agreed)
        attempt.amount, attempt.interest = chosen.amount.amount, chosen.interest.amount
        attempt.position = max((one.position for one in others), default=-1) + 1
        attempt.save(using="order", force_insert=True)
        engine.signal(work, "CREATE_ORDER", subject=order.id, after=TAKEN_UP_AFTER)


def _plan(intent: PaymentIntent, amount: Money) -> Plan:
    return plan(amount, intent.method, intent.instalments, instalment_terms())


def _hold(order: Order, attempt: PaymentAttempt) -> None:
    """Hold the pieces as long as the payment may take. If the order ends at this moment the hold lapses by itself."""
    lines = [
        StockLine(variant_id=line.variant_id, quantity=line.quantity)
        for line in order.lines.using("order").order_by("position")
    ]
    until = attempt.expires_at + settings.STOCK_HOLD_MARGIN
    catalog.renew_stock(reservation_id=order.id, lines=lines, expires_at=until)


def _check_waiting(order: Order) -> None:
    if order.status != Status.AWAITING_PAYMENT:
        raise OrderNotPayable("Este pedido não espera pagamento.", status=order.status)
