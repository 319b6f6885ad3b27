"""What tests of any context use: fake neighbours, delivered events, a look into the outbox, and
time."""

from ecommerce.testing.events import deliver, drain, published
from ecommerce.testing.neighbours import provide
from ecommerce.testing.sagas import pass_time

__all__ = ["deliver", "drain", "pass_time", "provide", "published"]
