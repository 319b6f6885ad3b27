"""What tests of any context use: fake neighbours, delivered events, and a look into the outbox."""

from ecommerce.testing.events import deliver, drain, published
from ecommerce.testing.neighbours import provide

__all__ = ["deliver", "drain", "provide", "published"]
