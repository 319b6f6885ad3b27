"""What other contexts may ask, answered from this database."""

from collections.abc import Sequence
from uuid import UUID

from contexts.identity import queries
from contexts.identity.interface import (
    Address,
    AddressNotFound,
    Customer,
    IdentityInterface,
    SavedCard,
)
from ecommerce.calls import provides


@provides(IdentityInterface)
class IdentityProvider(IdentityInterface):
    """One statement per call."""

    def get_customers(self, *, ids: Sequence[UUID]) -> list[Customer]:
        return [
            Customer(
                id=user.id,
                email=user.email,
                name=user.full_name,
                locale=user.locale,
                email_verified=user.email_verified,
                phone=user.phone,
            )
            for user in queries.customers(ids)
        ]

    def get_address(self, *, customer_id: UUID, address_id: UUID) -> Address:
        row = queries.address(customer_id, address_id)
        if row is None:
            raise AddressNotFound("Endereço não encontrado.")
        for name in ("id", "label", "is_default", "created_at"):
            del row[name]
        return Address(**row)

    def get_saved_cards(self, *, customer_id: UUID, card_ids: Sequence[UUID]) -> list[SavedCard]:
        return [
            SavedCard(
                id=card.id,
                token=card.token,
                brand=card.brand,
                last4=card.last4,
                expiry_month=card.expiry_month,
                expiry_year=card.expiry_year,
            )
            for card in queries.saved_cards(customer_id, card_ids)
        ]
