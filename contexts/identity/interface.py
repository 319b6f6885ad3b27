"""What other contexts may ask of identity."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import NotFound


class AddressNotFound(NotFound):
    code = "address_not_found"


class SavedCardNotFound(NotFound):
    """A card that a customer named is not among those that ``get_saved_cards`` returned."""

    code = "saved_card_not_found"


@dataclass(frozen=True, kw_only=True)
class Customer:
    id: UUID
    email: str
    name: str
    locale: str
    email_verified: bool
    phone: str = ""


@dataclass(frozen=True, kw_only=True)
class Address:
    """A postal address by Brazilian rules: ``cep`` is eight digits, ``state`` the two-letter UF."""

    recipient: str
    cep: str
    street: str
    number: str
    complement: str
    district: str
    city: str
    state: str
    ibge_code: str = ""
    country: str = "BR"


@dataclass(frozen=True, kw_only=True)
class SavedCard:
    """A card known to the gateway only by ``token``; the card number never enters the system."""

    id: UUID
    token: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int


class IdentityInterface(ABC):
    @operation("identity:read", idempotent=True, timeout=2)
    @abstractmethod
    def get_customers(self, *, ids: Annotated[Sequence[UUID], AtMost(200)]) -> list[Customer]:
        """Return the customers among at most 200 ``ids``, in no order; unknown and erased ids are left out."""

    @operation("identity:read", idempotent=True, timeout=2)
    @abstractmethod
    def get_address(self, *, customer_id: UUID, address_id: UUID) -> Address:
        """Return one address of that customer.

        Raises:
            AddressNotFound: no such address, or it is another customer's.
        """

    @operation("identity:cards", idempotent=True, timeout=2)
    @abstractmethod
    def get_saved_cards(self, *, customer_id: UUID, card_ids: Annotated[Sequence[UUID], AtMost(50)]) -> list[SavedCard]:
        """Return that customer's saved cards among at most 50 ``card_ids``, in no order. Unknown cards and those of
        others are left out."""
