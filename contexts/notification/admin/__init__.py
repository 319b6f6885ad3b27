"""The back office of notification."""

from contexts.notification.admin.messages import MessageAdmin
from contexts.notification.admin.templates import TemplateAdmin
from contexts.notification.admin.wishes import PreferenceAdmin, PushSubscriptionAdmin

__all__ = ["MessageAdmin", "PreferenceAdmin", "PushSubscriptionAdmin", "TemplateAdmin"]
