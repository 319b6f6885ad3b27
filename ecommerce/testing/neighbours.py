"""Stand-ins for other contexts."""

from ecommerce.calls.providers import provided as provide

__all__ = ["provide"]
