"""Tables of notification."""

from contexts.notification.models.lanes import DeliveryLane
from contexts.notification.models.messages import DeliveryAttempt, Message, MessageNotResendable, Status
from contexts.notification.models.templates import (
    NoOlderVersion,
    Template,
    TemplateVersion,
    VersionNotFound,
)
from contexts.notification.models.wishes import Preference, PushSubscription

__all__ = [
    "DeliveryAttempt",
    "DeliveryLane",
    "Message",
    "MessageNotResendable",
    "NoOlderVersion",
    "Preference",
    "PushSubscription",
    "Status",
    "Template",
    "TemplateVersion",
    "VersionNotFound",
]
