"""The Django application of cart."""

from ecommerce.apps import ContextConfig


class CartConfig(ContextConfig):
    name = "contexts.cart"
    label = "cart"
    verbose_name = "Carrinhos"
