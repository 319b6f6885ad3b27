"""The inbox: each event takes effect once per handler, however often it is delivered."""

from ecommerce.inbox.receipt import AlreadyHandled
from ecommerce.inbox.registry import subscribe

__all__ = ["AlreadyHandled", "subscribe"]
