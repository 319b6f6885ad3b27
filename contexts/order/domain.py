"""The rules of an order that need no database: its states, its payments' arithmetic, its totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from ecommerce.errors import Conflict, Invalid
from ecommerce.money import Money, total


class Status(StrEnum):
    PENDING = "pending"
    """Being placed: its saga runs."""
    AWAITING_PAYMENT = "awaiting_payment"
    CONFIRMED = "confirmed"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """Never stood: refused while it was being placed."""


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.AWAITING_PAYMENT, Status.CONFIRMED, Status.FAILED, Status.CANCELLED}),
    Status.AWAITING_PAYMENT: frozenset({Status.CONFIRMED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset({Status.PARTIALLY_SHIPPED, Status.SHIPPED, Status.CANCELLED}),
    Status.PARTIALLY_SHIPPED: frozenset({Status.PARTIALLY_SHIPPED, Status.SHIPPED}),
    Status.SHIPPED: frozenset({Status.DELIVERED}),
    Status.DELIVERED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.FAILED: frozenset(),
}
PAID = frozenset({Status.CONFIRMED, Status.PARTIALLY_SHIPPED, Status.SHIPPED, Status.DELIVERED})


class Method(StrEnum):
    CARD = "card"
    DEBIT_CARD = "debit_card"
    PIX = "pix"
    BOLETO = "boleto"
    VOUCHER = "voucher"


DEFERRED = frozenset({Method.PIX, Method.BOLETO})
"""Methods whose money arrives after the checkout."""


class IllegalTransition(Conflict):
    """The order's state does not allow this; ``status`` is what it is."""

    code = "illegal_transition"


class PaymentsMismatch(Invalid):
    """The payments do not add up to the order's total; ``total`` is what they must add up to."""

    code = "payments_mismatch"


class InstalmentsRefused(Invalid):
    """Instalments for a method that has none, more than the shop allows, or smaller than its minimum."""

    code = "instalments_refused"


@dataclass(frozen=True, kw_only=True)
class PaymentIntent:
    """How the buyer wants to pay a part of an order; without ``amount`` it is the only part."""

    method: Method
    amount: Money | None = None
    instalments: int = 1
    card_token: str = ""
    card_brand: str = ""
    card_last4: str = ""
    saved_card_id: UUID | None = None
    voucher_code: str = ""


def check_transition(old: Status, new: Status) -> None:
    """Check a change of state against the declared machine.

    Raises:
        IllegalTransition
    """
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"an order that is {old} cannot become {new}", status=old.value)


def settle_amounts(intents: Sequence[PaymentIntent], due: Money) -> list[Money]:
    """Return the amount of each payment: as given, or the whole when there is one without an amount.

    Raises:
        PaymentsMismatch: an amount is missing among several or not positive, or they do not add up to ``due``.
    """
    if len(intents) == 1 and intents[0].amount is None:
        return [due]
    amounts = [intent.amount for intent in intents if intent.amount is not None and intent.amount.amount > 0]
    if len(amounts) != len(intents) or total(amounts, due.currency) != due:
        raise PaymentsMismatch("the payments must add up to the total", total=due)
    return amounts


def check_instalments(intent: PaymentIntent, amount: Money, *, most: int, smallest: Decimal) -> None:
    """Check the number of instalments of one payment.

    Raises:
        InstalmentsRefused
    """
    if intent.instalments == 1:
        return
    if intent.method != Method.CARD:
        raise InstalmentsRefused(f"{intent.method} is paid at once")
    if not 1 <= intent.instalments <= most:
        raise InstalmentsRefused(f"at most {most} instalments", maximum=most)
    if amount.amount / intent.instalments < smallest:
        raise InstalmentsRefused(f"an instalment is at least {smallest}", minimum=str(smallest))


@dataclass(frozen=True, kw_only=True)
class Totals:
    items: Money
    discount: Money
    shipping: Money
    """Before ``discount``, which includes any discount on shipping."""

    @property
    def due(self) -> Money:
        return self.items + self.shipping - self.discount
