"""What order expects of every payment gateway, in its own words."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Self
from uuid import UUID

from contexts.order.domain import Method
from ecommerce.errors import Conflict, Invalid, NotFound, Unauthorized, Unavailable
from ecommerce.money import Money

ChargeStatus = Literal[
    "authorized", "captured", "pending", "declined", "requires_action", "voided", "expired", "refunded"
]


class UnknownGateway(NotFound):
    code = "unknown_gateway"


class GatewayUnavailable(Unavailable):
    """The gateway could not be reached, or does not let us in: this call surely did nothing."""

    code = "gateway_unavailable"


class GatewayRefused(Conflict):
    """The gateway understood and refused: this call did nothing. ``gateway_code`` says why, in its own words."""

    code = "gateway_refused"


class OutcomeUnknown(Exception):
    """The request went out and no usable answer came back. Ask with ``find`` before doing anything else."""


class WebhookSignatureInvalid(Unauthorized):
    code = "webhook_signature_invalid"
    challenge = "Signature"


class WebhookMalformed(Invalid):
    """The signature is right, the content is not what this gateway sends."""

    code = "webhook_malformed"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    methods: frozenset[Method]
    """The ways to pay that it takes."""
    authorizes: frozenset[Method] = frozenset()
    """Those of them that it can authorize first and capture later."""
    instalments: bool = False
    partial_capture: bool = False
    partial_refund: bool = False
    webhooks: bool = False


@dataclass(frozen=True, kw_only=True)
class ChargeRequest:
    """One charge. ``attempt_id`` is its idempotency key and its reference at the gateway."""

    attempt_id: UUID
    """A UUIDv7 (``new_id``): a gateway may look for it by the time that is in it."""
    method: str
    amount: Money
    capture: bool = True
    """False only authorizes, where ``capabilities.authorizes`` has the method; ``capture`` or ``void`` follows."""
    installments: int = 1
    token: str = ""
    """The gateway's token of a card."""
    voucher_code: str = ""
    due_at: datetime | None = None
    """The day printed on a boleto; without it ``expires_at`` is."""
    expires_at: datetime | None = None
    """When a Pix lapses."""
    payer_name: str = ""
    payer_tax_id: str = ""
    webhook_url: str = ""
    return_url: str = ""
    """Where the customer's browser goes after an authentication at the bank."""


@dataclass(frozen=True, kw_only=True)
class ChargeResult:
    """How a charge stands. ``gateway_id`` is empty when the gateway refused to open one (a token it does not know)."""

    gateway_id: str
    status: ChargeStatus
    authorized: Money
    """What is held at the bank and can still be captured: nothing once it was captured, voided or has expired."""
    captured: Money
    refunded: Money
    decline_code: str = ""
    client_data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BookedCharge:
    """A charge as the gateway's books have it now. Without ``attempt_id`` somebody else made it, or it is not ours."""

    gateway_id: str
    attempt_id: UUID | None
    status: ChargeStatus
    captured: Money
    refunded: Money
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """A hint that a charge changed. Duplicates, late and reordered ones are normal; ``fetch`` tells the truth."""

    id: str
    type: str
    gateway_id: str
    attempt_id: UUID | None


class PaymentGateway(ABC):
    """Call it with no transaction open: each method makes one request or a few."""

    name: ClassVar[str]
    """At most 20 characters; payments keep it, so it never changes."""
    capabilities: ClassVar[Capabilities]

    @classmethod
    @abstractmethod
    def from_settings(cls) -> Self:
        """Return the gateway as the settings describe it. Cheap: it is called for every use."""

    @abstractmethod
    def charge(self, request: ChargeRequest) -> ChargeResult:
        """Charge at most once per ``attempt_id``; repeating a request returns the first result. A decline is a result.

        Raises:
            GatewayUnavailable, OutcomeUnknown
        """

    @abstractmethod
    def find(self, attempt_id: UUID) -> ChargeResult | None:
        """Return the charge made under an attempt, if the gateway has one by now.

        Raises:
            OutcomeUnknown: also when the gateway cannot be reached, for nothing was learnt.
        """

    @abstractmethod
    def fetch(self, gateway_id: str) -> ChargeResult:
        """Return how a charge stands now.

        Raises:
            GatewayRefused: the gateway knows no such charge.
            OutcomeUnknown: as for ``find``.
        """

    @abstractmethod
    def capture(self, gateway_id: str, capture_id: UUID, amount: Money) -> ChargeResult:
        """Take what was authorized, or a part and let the rest go. Once per charge; repeating it is safe.

        Raises:
            GatewayRefused: more than was authorized, or it is no longer there, or another amount was captured before.
            GatewayUnavailable, OutcomeUnknown
        """

    @abstractmethod
    def refund(self, gateway_id: str, refund_id: UUID, amount: Money, reason: str) -> ChargeResult:
        """Give back a part or all of what was captured, at most once per ``refund_id``; repeating it is safe.

        Raises:
            GatewayRefused: more than is left of it, for example.
            GatewayUnavailable, OutcomeUnknown
        """

    @abstractmethod
    def void(self, gateway_id: str) -> ChargeResult:
        """Let an authorization or an unpaid charge go. Repeating it is safe.

        Raises:
            GatewayRefused: money was captured meanwhile; fetch, then refund.
            GatewayUnavailable, OutcomeUnknown
        """

    @abstractmethod
    def books(self, since: datetime, until: datetime) -> Iterator[BookedCharge]:
        """Yield the charges created from ``since`` until before ``until``, and those refunded in that time, as they
        stand now. Each at least once, in any order. Asks for page after page.

        Raises:
            OutcomeUnknown: the gateway did not answer; what was yielded is not all.
        """

    @abstractmethod
    def parse_webhook(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> WebhookEvent:
        """Return what a webhook tells, once its signature over the raw body is verified.

        Raises:
            WebhookSignatureInvalid: a wrong, missing or old signature (5 minutes either way), or no secret is set.
            WebhookMalformed
        """
