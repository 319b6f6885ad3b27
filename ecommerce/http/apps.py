from django.apps import AppConfig


class HttpConfig(AppConfig):
    name = "ecommerce.http"
    label = "http"
    verbose_name = "HTTP"

    def ready(self) -> None:
        from ecommerce.http import schema  # noqa: F401 - registers its drf-spectacular extensions
