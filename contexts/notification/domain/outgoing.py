"""A message as a channel takes it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """``reference`` names this message to the provider and stays the same over every retry; ``html`` may be empty."""

    reference: str
    recipient: str
    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
