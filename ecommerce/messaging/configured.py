"""The broker of this process."""

from functools import lru_cache

from django.conf import settings

from ecommerce.messaging.broker import Broker
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.messaging.rabbitmq import RabbitBroker


@lru_cache(maxsize=1)
def get_broker() -> Broker:
    """Return the broker that ``BROKER_URL`` names: ``pgmq://`` or ``amqp(s)://…``."""
    url: str = settings.BROKER_URL
    return PgmqBroker() if url.startswith("pgmq:") else RabbitBroker(url)


def check_broker() -> None:
    """Raise BrokerUnavailable unless the configured broker answers now."""
    get_broker().check()
