"""The outside world of order: payment gateways. Everybody else imports from here."""

from collections.abc import Callable, Mapping

from contexts.order.adapters.gateway import (
    BookedCharge,
    Capabilities,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeUnknown,
    PaymentGateway,
    UnknownGateway,
    WebhookEvent,
    WebhookMalformed,
    WebhookSignatureInvalid,
)
from contexts.order.adapters.routing import CLASSES, MethodUnavailable, gateway_for, most_instalments
from contexts.order.adapters.sandbox import SandboxGateway
from contexts.order.adapters.stripe import StripeGateway

__all__ = [
    "BookedCharge",
    "Capabilities",
    "ChargeRequest",
    "ChargeResult",
    "ChargeStatus",
    "GatewayRefused",
    "GatewayUnavailable",
    "MethodUnavailable",
    "OutcomeUnknown",
    "PaymentGateway",
    "SandboxGateway",
    "StripeGateway",
    "UnknownGateway",
    "WebhookEvent",
    "WebhookMalformed",
    "WebhookSignatureInvalid",
    "gateway",
    "gateway_for",
    "most_instalments",
]

GATEWAYS: Mapping[str, Callable[[], PaymentGateway]] = {name: made.from_settings for name, made in CLASSES.items()}


def gateway(name: str) -> PaymentGateway:
    """Return the gateway of that name, configured by the settings. Cheap: connections are pooled per process.

    Raises:
        UnknownGateway
    """
    make = GATEWAYS.get(name)
    if make is None:
        raise UnknownGateway(f"there is no payment gateway {name}")
    return make()
