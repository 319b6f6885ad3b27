"""What promotion publishes. Aggregate ``coupon``."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class CouponExhausted:
    """The last use of a coupon was confirmed."""

    type: ClassVar[str] = "promotion.coupon_exhausted.v1"
    aggregate: ClassVar[str] = "coupon"

    coupon_id: UUID
    code: str
