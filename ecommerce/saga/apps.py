from django.apps import AppConfig


class SagaConfig(AppConfig):
    name = "ecommerce.saga"
    label = "saga"
    verbose_name = "Sagas"
