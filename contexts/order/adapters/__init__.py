"""The outside world of order: payment gateways. Everybody else imports from here."""

from collections.abc import Callable, Mapping

from contexts.order.adapters.gateway import (
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
from contexts.order.adapters.sandbox import SandboxGateway

__all__ = [
    "Capabilities",
    "ChargeRequest",
    "ChargeResult",
    "ChargeStatus",
    "GatewayRefused",
    "GatewayUnavailable",
    "OutcomeUnknown",
    "PaymentGateway",
    "SandboxGateway",
    "UnknownGateway",
    "WebhookEvent",
    "WebhookMalformed",
    "WebhookSignatureInvalid",
    "gateway",
]

GATEWAYS: Mapping[str, Callable[[], PaymentGateway]] = {SandboxGateway.name: SandboxGateway.from_settings}


def gateway(name: str = SandboxGateway.name) -> PaymentGateway:
    """Return the gateway of that name, configured by the settings. Cheap: connections are pooled per process.

    Raises:
        UnknownGateway
    """
    make = GATEWAYS.get(name)
    if make is None:
        raise UnknownGateway(f"there is no payment gateway {name}")
    return make()
