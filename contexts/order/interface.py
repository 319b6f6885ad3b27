"""What other contexts may ask of order."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import NotFound
from ecommerce.money import Money

NO_INTEREST = Money(Decimal(0))


class OrderNotFound(NotFound):
    code = "order_not_found"


@dataclass(frozen=True, kw_only=True)
class OrderLine:
    sku: str
    name: str
    quantity: int
    unit_price: Money
    total: Money


@dataclass(frozen=True, kw_only=True)
class PaymentInstruction:
    """How an open payment is to be paid.

    ``client_data`` holds what the gateway gave: the line of a boleto, the code of a Pix, or nothing. Beside it are
    links that open without login as long as the payment is open: ``url`` of the boleto, ``qr_url`` of a Pix's picture.
    """

    method: str
    amount: Money
    status: str
    client_data: dict[str, str]
    interest: Money = NO_INTEREST
    """What is paid on top of ``amount`` for paying later, in ``instalments`` of a card."""
    instalments: int = 1


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as its buyer should see it in a message."""

    id: UUID
    number: str
    status: str
    customer_id: UUID | None
    email: str
    recipient: str
    locale: str
    placed_at: datetime
    lines: list[OrderLine]
    shipping: Money
    discount: Money
    total: Money
    payments: list[PaymentInstruction]
    tracking_codes: list[str]


class OrderInterface(ABC):
    @operation("order:read", idempotent=True, timeout=3)
    @abstractmethod
    def get_orders(self, *, ids: Annotated[Sequence[UUID], AtMost(50)]) -> list[Order]:
        """Return the orders among at most 50 ``ids``, in no order; unknown ids are left out."""
