"""The rules of an order that need no database: its states, its payments' arithmetic, its totals, its payer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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
PAYABLE = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
PAID = frozenset({Status.CONFIRMED, Status.PARTIALLY_SHIPPED, Status.SHIPPED, Status.DELIVERED})
ENDED = frozenset({Status.CANCELLED, Status.FAILED})
"""No money is due, and none may be kept."""


class Method(StrEnum):
    CARD = "card"
    DEBIT_CARD = "debit_card"
    PIX = "pix"
    BOLETO = "boleto"
    VOUCHER = "voucher"


METHOD_LABELS = {
    Method.CARD: "cartão de crédito",
    Method.DEBIT_CARD: "cartão de débito",
    Method.PIX: "Pix",
    Method.BOLETO: "boleto",
    Method.VOUCHER: "vale",
}


class IllegalTransition(Conflict):
    """The order's state does not allow this; ``status`` is what it is."""

    code = "illegal_transition"


class PaymentsMismatch(Invalid):
    """The payments do not add up to the order's total; ``total`` is what they must add up to."""

    code = "payments_mismatch"


class InstalmentsRefused(Invalid):
    """Instalments for a method that has none, more than the shop allows, or smaller than its minimum."""

    code = "instalments_refused"


class PayerTaxIdRequired(Invalid):
    """A boleto names its payer by CPF or CNPJ."""

    code = "payer_tax_id_required"


class PayerTaxIdInvalid(Invalid):
    """Neither a CPF nor a CNPJ, or its check digits are wrong."""

    code = "payer_tax_id_invalid"


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
        raise IllegalTransition("A situação do pedido não permite isso.", status=old.value)


def settle_amounts(intents: Sequence[PaymentIntent], due: Money) -> list[Money]:
    """Return the amount of each payment: as given, or the whole when there is one without an amount.

    Raises:
        PaymentsMismatch: an amount is missing among several, not positive or of another currency, or they do not add
            up to ``due``.
    """
    if len(intents) == 1 and intents[0].amount is None:
        return [due]
    amounts = [
        intent.amount
        for intent in intents
        if intent.amount is not None and intent.amount.amount > 0 and intent.amount.currency == due.currency
    ]
    if len(amounts) != len(intents) or total(amounts, due.currency) != due:
        raise PaymentsMismatch("Os pagamentos precisam somar o total do pedido.", total=due)
    return amounts


def check_payer(intents: Sequence[PaymentIntent], tax_id: str) -> None:
    """Check the payer's CPF or CNPJ, already normalized. Only a boleto needs one.

    Raises:
        PayerTaxIdRequired, PayerTaxIdInvalid
    """
    if not tax_id and any(intent.method == Method.BOLETO for intent in intents):
        raise PayerTaxIdRequired("Informe o CPF ou CNPJ do pagador em payer.tax_id: o boleto precisa dele.")
    if tax_id and not is_tax_id(tax_id):
        raise PayerTaxIdInvalid("O CPF ou CNPJ do pagador não é válido.")


def normalized_tax_id(text: str) -> str:
    """Return a CPF or CNPJ without punctuation, letters in upper case. It is not checked."""
    return re.sub(r"[\s./-]", "", text).upper()


def is_tax_id(text: str) -> bool:
    """Tell whether ``text`` is a CPF (11 digits) or a CNPJ (12 digits or letters and 2 digits), check digits included.

    Both are weighted modulo 11 from the right: by 2 to 11 and by 2 to 9, a letter counting as its ASCII code minus 48
    (Instrução Normativa RFB 2.229/2024, in force since July 2026).
    """
    if re.fullmatch(r"[0-9]{11}", text):
        longest = 11
    elif re.fullmatch(r"[0-9A-Z]{12}[0-9]{2}", text):
        longest = 9
    else:
        return False
    values = [ord(character) - 48 for character in text]
    digits = [_check_digit(values[:place], longest) for place in (-2, -1)]
    return len(set(text)) > 1 and values[-2:] == digits


def _check_digit(values: Sequence[int], longest: int) -> int:
    weighted = sum(value * (2 + place % (longest - 1)) for place, value in enumerate(reversed(values)))
    rest = weighted % 11
    return 0 if rest < 2 else 11 - rest


@dataclass(frozen=True, kw_only=True)
class Totals:
    items: Money
    discount: Money
    shipping: Money
    """Before ``discount``, which includes any discount on shipping."""

    @property
    def due(self) -> Money:
        return self.items + self.shipping - self.discount
