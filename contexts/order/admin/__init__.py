"""Orders in the back office: one timeline per order; status and money change through use cases only."""

from contexts.order.admin import money, orders, shipping

__all__ = ["money", "orders", "shipping"]
