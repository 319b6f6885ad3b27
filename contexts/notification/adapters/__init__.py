"""The outside world: mail servers, SMS and push providers, and the sandbox that fills templates."""

from contexts.notification.adapters.channels import ChannelAdapter, Receipt, Refused, SendError, Session, Unreachable
from contexts.notification.adapters.email import EmailChannel
from contexts.notification.adapters.push import PushChannel
from contexts.notification.adapters.sandbox import Rendered, TemplateBroken, render
from contexts.notification.adapters.sms import SmsChannel
from contexts.notification.domain import Channel

CHANNELS: dict[Channel, ChannelAdapter] = {
    Channel.EMAIL: EmailChannel(),
    Channel.SMS: SmsChannel(),
    Channel.PUSH: PushChannel(),
}

__all__ = [
    "CHANNELS",
    "Receipt",
    "Refused",
    "Rendered",
    "SendError",
    "Session",
    "TemplateBroken",
    "Unreachable",
    "render",
]
