"""What travels: the bodies of requests and answers. Money is a decimal string outside, whole cents inside."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Method = Literal["card", "debit_card", "pix", "boleto", "voucher"]
Status = Literal["authorized", "captured", "pending", "declined", "requires_action", "voided", "expired", "refunded"]
Text = Annotated[str, Meta(max_length=500)]
Amount = Annotated[str, Meta(pattern=r"^\d{1,10}(\.\d{1,2})?$")]
Currency = Literal["BRL", "USD", "EUR", "JPY"]
DECIMALS = {"BRL": 2, "USD": 2, "EUR": 2, "JPY": 0}


class CardInput(Struct):
    token: Text
    installments: Annotated[int, Meta(ge=1, le=24)] = 1


class PixInput(Struct):
    txid: Annotated[str, Meta(pattern=r"^([A-Za-z0-9]{26,35})?$")] = ""
    expires_at: datetime | None = None


class BoletoInput(Struct):
    due_date: date
    payer_name: Annotated[str, Meta(min_length=1, max_length=200)]
    payer_tax_id: Annotated[str, Meta(pattern=r"^[0-9A-Z]{11,14}$")]


class VoucherInput(Struct):
    code: Text


class ChargeInput(Struct):
    reference: Annotated[str, Meta(min_length=1, max_length=200)]
    amount: Amount
    method: Method
    currency: Currency = "BRL"
    capture: bool = True
    card: CardInput | None = None
    pix: PixInput | None = None
    boleto: BoletoInput | None = None
    voucher: VoucherInput | None = None
    webhook_url: Text = ""
    return_url: Text = ""
    metadata: dict[str, str] = {}


class CaptureInput(Struct):
    amount: Amount = ""


class RefundInput(Struct):
    amount: Amount
    reason: Text = ""


class CardTokenInput(Struct):
    number: Annotated[str, Meta(pattern=r"^[\d ]{13,23}$")]
    expiry_month: Annotated[int, Meta(ge=1, le=12)]
    expiry_year: Annotated[int, Meta(ge=2000, le=2100)]
    holder: Text = ""


class CardToken(Struct):
    token: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int


class Charge(Struct):
    id: str
    reference: str
    status: Status
    amount: str
    currency: str
    captured: str
    refunded: str
    method: str
    decline_code: str
    client_data: dict[str, str]
    metadata: dict[str, str]
    created_at: str
    updated_at: str


class Refund(Struct):
    id: str
    charge_id: str
    idempotency_key: str
    status: Literal["succeeded"]
    amount: str
    currency: str
    reason: str
    created_at: str
    charge: Charge | None = None


class BehaviourInput(Struct):
    kind: Literal["approve", "decline", "delay", "timeout_before", "timeout_after", "error_before", "error_after"]
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1
    operation: Literal["charge", "refund"] = "charge"
    method: Method | None = None
    code: Text = "do_not_honor"
    delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class PayInput(Struct):
    force: bool = False


class ControlRefundInput(Struct):
    amount: str = ""


class WebhookInput(Struct):
    type: str = ""
    times: Annotated[int, Meta(ge=1, le=1000)] = 1
    delay_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    bad_signature: bool = False
    signed_seconds_ago: Annotated[int, Meta(ge=0)] = 0
    reversed: bool = False


class PayAllInput(Struct):
    method: Method | None = None


class Refusal(Exception):
    """A request that is refused: the HTTP status, a stable code, a sentence, and facts."""

    def __init__(self, status: int, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.facts = facts


encode = msgspec.json.Encoder().encode


def minor(amount: str, currency: str) -> int:
    """Return ``amount`` in the smallest unit of ``currency``.

    Raises:
        Refusal: more digits than the currency has, or not above zero.
    """
    whole, _, fraction = amount.partition(".")
    decimals = DECIMALS[currency]
    if len(fraction) > decimals:
        raise Refusal(422, "invalid_amount", f"{currency} has {decimals} decimals")
    units: int = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or 0)
    if units <= 0:
        raise Refusal(422, "invalid_amount", "the amount must be above zero")
    return units


def decimal(units: int, currency: str) -> str:
    """Return a number of the smallest unit of ``currency`` as a decimal string."""
    decimals = DECIMALS[currency]
    return f"{units // 10**decimals}.{units % 10**decimals:0{decimals}}" if decimals else str(units)


def timestamp(moment: datetime | None = None) -> str:
    """Return a time, the present one unless given: RFC 3339, UTC, to the millisecond."""
    moment = moment.astimezone(UTC) if moment else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
