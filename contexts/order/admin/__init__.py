"""Orders in the back office: one timeline per order; status and money change through use cases only."""

from contexts.order.admin import money, orders, returns, shipping

__all__ = ["money", "orders", "returns", "shipping"]
