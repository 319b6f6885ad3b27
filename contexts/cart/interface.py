"""What other contexts may ask of cart."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import Conflict, NotFound
from ecommerce.money import Money


class CartNotFound(NotFound):
    code = "cart_not_found"


class CartChanged(Conflict):
    """The cart is not at the expected version, or is not open; ``version`` and ``status`` tell."""

    code = "cart_changed"


@dataclass(frozen=True, kw_only=True)
class CartLine:
    """``unit_price`` is the price the customer saw when the line was last touched."""

    variant_id: UUID
    quantity: int
    unit_price: Money


@dataclass(frozen=True, kw_only=True)
class Cart:
    """``status`` is open, converted or expired; ``version`` grows by one with every change."""

    id: UUID
    version: int
    status: str
    lines: list[CartLine]
    customer_id: UUID | None = None
    email: str = ""
    coupon_code: str = ""


@dataclass(frozen=True, kw_only=True)
class CartContact:
    """``customer_id`` or, for a guest who left it, ``email``; ``consent`` says that reminders are welcome."""

    cart_id: UUID
    customer_id: UUID | None
    email: str
    consent: bool
    status: str


class CartInterface(ABC):
    @operation("cart:read", idempotent=True, timeout=2)
    @abstractmethod
    def get_cart(self, *, cart_id: UUID, customer_id: UUID | None = None, token: str = "") -> Cart:
        """Return a cart that the caller owns: as its customer, or as a guest who holds its token.

        Raises:
            CartNotFound: unknown, or owned by someone else.
        """

    @operation("cart:write", idempotent=True, timeout=3)
    @abstractmethod
    def convert(self, *, cart_id: UUID, version: int, order_id: UUID) -> None:
        """Close an open cart because it became ``order_id``. Idempotent per order.

        Raises:
            CartNotFound: unknown cart.
            CartChanged: the cart moved past ``version``, expired, or became another order.
        """

    @operation("cart:write", idempotent=True, timeout=3)
    @abstractmethod
    def reopen(self, *, cart_id: UUID, order_id: UUID) -> None:
        """Open a cart again that was converted to ``order_id``. Idempotent; any other cart is left as it is."""

    @operation("cart:read", idempotent=True, timeout=2)
    @abstractmethod
    def get_contacts(self, *, cart_ids: Annotated[Sequence[UUID], AtMost(200)]) -> list[CartContact]:
        """Return whom to write to about at most 200 carts, in no order; unknown ids are left out."""
