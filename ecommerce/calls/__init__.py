"""Calls between contexts, through their interfaces."""

from ecommerce.calls.client import CallInTransaction, connect
from ecommerce.calls.providers import provides
from ecommerce.calls.wire import CallMismatch

__all__ = ["CallInTransaction", "CallMismatch", "connect", "provides"]
