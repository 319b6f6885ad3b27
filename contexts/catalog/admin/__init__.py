"""The back office of catalog."""

from contexts.catalog.admin import customers, products, stock

__all__ = ["customers", "products", "stock"]
