"""When a message must not be sent."""

from collections.abc import Collection
from enum import StrEnum

from contexts.notification.domain.kinds import Category, Channel


class Reason(StrEnum):
    """Why a message was recorded but is never sent."""

    REPLAY = "replay"
    NO_ADDRESS = "no_address"
    OPTED_OUT = "opted_out"
    NO_CONSENT = "no_consent"
    FREQUENCY_CAP = "frequency_cap"
    OUTDATED = "outdated"
    CHANNEL_NOT_CONFIGURED = "channel_not_configured"


def refusal(*, channel: Channel, category: Category, wishes: Collection[bool], consent: bool = False) -> str:
    """Return why this category may not be sent on this channel, or an empty string.

    ``wishes`` holds what the recipient chose under each of their keys: one refusal outweighs all. Without a choice
    only transactional e-mail is sent, and marketing e-mail by ``consent``.
    """
    if not all(wishes):
        return Reason.OPTED_OUT
    if wishes:
        return ""
    if channel is Channel.EMAIL and (category is Category.TRANSACTIONAL or consent):
        return ""
    return Reason.NO_CONSENT
