from django.apps import AppConfig


class DatabaseConfig(AppConfig):
    name = "ecommerce.db"
    label = "ecommerce_db"
    verbose_name = "Banco de dados"

    def ready(self) -> None:
        from ecommerce.db import checks  # noqa: F401  (importing registers the checks)
