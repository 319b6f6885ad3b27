from ecommerce.apps import ContextConfig


class PromotionConfig(ContextConfig):
    name = "contexts.promotion"
    label = "promotion"
    verbose_name = "Promoções"
