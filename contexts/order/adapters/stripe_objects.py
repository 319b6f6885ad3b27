"""What travels between Stripe and us: the parts of its objects that matter here, and what they mean in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contexts.order.adapters.gateway import BookedCharge, ChargeResult, ChargeStatus
from ecommerce.money import EXPONENTS, Money

STATUSES: Mapping[str, ChargeStatus] = {
    "requires_payment_method": "declined",
    "requires_confirmation": "pending",
    "requires_action": "requires_action",
    "processing": "pending",
    "requires_capture": "authorized",
    "canceled": "voided",
    "succeeded": "captured",
}
LAPSED = frozenset({"automatic", "expired"})
"""Why Stripe itself cancels: nobody captured in time."""
DECLINES = {
    "payment_intent_authentication_failure": "authentication_failed",
    "authentication_required": "authentication_failed",
    "fraudulent": "generic_decline",
    "lost_card": "generic_decline",
    "merchant_blacklist": "generic_decline",
    "pickup_card": "generic_decline",
    "stolen_card": "generic_decline",
}
"""What is called otherwise here, and what a thief must not be told; other codes stay as they are."""


@dataclass(frozen=True)
class CardDetails:
    brand: str | None = None
    last4: str | None = None


@dataclass(frozen=True)
class MethodDetails:
    card: CardDetails | None = None


@dataclass(frozen=True)
class Charge:
    amount: int
    amount_captured: int
    amount_refunded: int
    payment_method_details: MethodDetails | None = None


@dataclass(frozen=True)
class Redirect:
    url: str


@dataclass(frozen=True)
class NextAction:
    redirect_to_url: Redirect | None = None


@dataclass(frozen=True)
class PaymentError:
    code: str | None = None
    decline_code: str | None = None

    @property
    def reason(self) -> str:
        said = self.decline_code or self.code or "generic_decline"
        return DECLINES.get(said, said)


@dataclass(frozen=True)
class Intent:
    """A PaymentIntent: the part of it that matters here."""

    id: str
    status: str
    created: int
    currency: str
    amount_capturable: int
    amount_received: int
    metadata: dict[str, str] = field(default_factory=dict)
    latest_charge: Charge | str | None = None
    next_action: NextAction | None = None
    last_payment_error: PaymentError | None = None
    cancellation_reason: str | None = None

    @property
    def charge(self) -> Charge | None:
        return self.latest_charge if isinstance(self.latest_charge, Charge) else None

    @property
    def attempt_id(self) -> UUID | None:
        return as_uuid(self.metadata.get("attempt_id", ""))

    @property
    def is_of_the_shop(self) -> bool:
        """Whether it is in a currency that the shop knows; an account may take others elsewhere."""
        return self.currency.upper() in EXPONENTS

    @property
    def refunded_units(self) -> int:
        """What was given back of the money taken. Stripe counts what a partial capture lets go as refunded, too."""
        if self.charge is None or not self.amount_received:
            return 0
        let_go = self.charge.amount - self.charge.amount_captured
        return max(self.charge.amount_refunded - let_go, 0)

    @property
    def state(self) -> ChargeStatus:
        if self.status == "canceled" and self.cancellation_reason in LAPSED:
            return "expired"
        if self.status == "succeeded" and self.refunded_units >= self.amount_received:
            return "refunded"
        return STATUSES.get(self.status, "pending")

    def money(self, units: int) -> Money:
        currency = self.currency.upper()
        return Money(Decimal(units).scaleb(-EXPONENTS[currency]), currency)

    def result(self) -> ChargeResult:
        return ChargeResult(
            gateway_id=self.id,
            status=self.state,
            authorized=self.money(self.amount_capturable),
            captured=self.money(self.amount_received),
            refunded=self.money(self.refunded_units),
            decline_code=(self.last_payment_error or PaymentError()).reason if self.state == "declined" else "",
            client_data=self._client_data(),
        )

    def booked(self) -> BookedCharge:
        return BookedCharge(
            gateway_id=self.id,
            attempt_id=self.attempt_id,
            status=self.state,
            captured=self.money(self.amount_received),
            refunded=self.money(self.refunded_units),
            created_at=datetime.fromtimestamp(self.created, UTC),
        )

    def _client_data(self) -> dict[str, str]:
        details = self.charge.payment_method_details if self.charge else None
        card = (details.card if details else None) or CardDetails()
        redirect = self.next_action.redirect_to_url if self.next_action else None
        told = {"brand": card.brand, "last4": card.last4, "redirect_url": redirect.url if redirect else None}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Intents:
    data: list[Intent]
    has_more: bool


@dataclass(frozen=True)
class Refund:
    id: str
    status: str
    payment_intent: Intent | str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    failure_reason: str | None = None


@dataclass(frozen=True)
class Refunds:
    data: list[Refund]
    has_more: bool


@dataclass(frozen=True)
class Failure:
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    payment_intent: dict[str, Any] | None = None


@dataclass(frozen=True)
class Failed:
    error: Failure


@dataclass(frozen=True)
class Told:
    """The object that a webhook is about: an intent, or something that belongs to one."""

    id: str
    object: str
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class ToldOf:
    object: Told


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: ToldOf


def units_of(amount: Money) -> int:
    """Return an amount in the smallest unit of its currency."""
    return int(amount.amount.scaleb(EXPONENTS[amount.currency]))


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
