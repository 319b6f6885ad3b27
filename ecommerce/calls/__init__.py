"""Calls between contexts, through their interfaces."""

from ecommerce.calls.client import CallInTransaction, connect
from ecommerce.calls.providers import provides

__all__ = ["CallInTransaction", "connect", "provides"]
