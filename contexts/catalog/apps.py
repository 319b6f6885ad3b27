from ecommerce.apps import ContextConfig


class CatalogConfig(ContextConfig):
    name = "contexts.catalog"
    label = "catalog"
    verbose_name = "Catálogo"
