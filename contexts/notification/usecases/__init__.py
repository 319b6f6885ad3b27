"""What notification can do: one function per action."""

from contexts.notification.usecases.delivery import deliver_batch, due_channels, leave_lane, purge_messages, take_lane
from contexts.notification.usecases.messages import Cause, queue_message, resend_message
from contexts.notification.usecases.templates import (
    BadTestRecipient,
    Precondition,
    add_version,
    chosen_version,
    install_missing_templates,
    preview,
    preview_template,
    preview_version,
    publish_version,
    roll_back,
    send_test,
)
from contexts.notification.usecases.wishes import (
    BadUnsubscribeLink,
    Choice,
    add_push_subscription,
    read_unsubscribe_link,
    remove_push_subscription,
    set_preferences,
    unsubscribe,
)

__all__ = [
    "BadTestRecipient",
    "BadUnsubscribeLink",
    "Cause",
    "Choice",
    "Precondition",
    "add_push_subscription",
    "add_version",
    "deliver_batch",
    "due_channels",
    "install_missing_templates",
    "leave_lane",
    "chosen_version",
    "preview",
    "preview_template",
    "preview_version",
    "publish_version",
    "purge_messages",
    "queue_message",
    "read_unsubscribe_link",
    "remove_push_subscription",
    "resend_message",
    "roll_back",
    "send_test",
    "set_preferences",
    "take_lane",
    "unsubscribe",
]
