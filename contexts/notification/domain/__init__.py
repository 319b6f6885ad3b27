"""Rules of notification that need no framework."""

from contexts.notification.domain.kinds import (
    DEFAULT_LOCALE,
    KINDS,
    LOCALES,
    Category,
    Channel,
    MessageKind,
    known_locale,
)
from contexts.notification.domain.outgoing import Outgoing
from contexts.notification.domain.recipients import Recipient, customer_key, email_key, masked
from contexts.notification.domain.refusal import Reason, refusal
from contexts.notification.domain.retry import MAX_ATTEMPTS, retry_delay
from contexts.notification.domain.seed import ShippedTemplate, sample_context, shipped_templates

__all__ = [
    "DEFAULT_LOCALE",
    "KINDS",
    "LOCALES",
    "MAX_ATTEMPTS",
    "Category",
    "Channel",
    "MessageKind",
    "Outgoing",
    "Reason",
    "Recipient",
    "ShippedTemplate",
    "customer_key",
    "email_key",
    "known_locale",
    "masked",
    "refusal",
    "retry_delay",
    "sample_context",
    "shipped_templates",
]
