from ecommerce.apps import ContextConfig


class OrderConfig(ContextConfig):
    name = "contexts.order"
    label = "order"
    verbose_name = "Pedidos"
