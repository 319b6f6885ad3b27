"""What cart publishes. Aggregate ``cart``. (The events that make up a cart are private to the context.)"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from ecommerce.money import Money


@dataclass(frozen=True, kw_only=True)
class CartAbandoned:
    """An open cart with lines and a known contact was left alone. ``recovery_path`` is a signed, single-use link."""

    type: ClassVar[str] = "cart.abandoned.v1"
    aggregate: ClassVar[str] = "cart"

    cart_id: UUID
    last_activity_at: datetime
    subtotal: Money
    pieces: int
    recovery_path: str
