"""A customer's postal addresses: at most one is the default, and the first one is it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from contexts.identity.interface import AddressNotFound
from contexts.identity.models import Address, make_default, pass_default_on
from contexts.identity.usecases.accounts import lock_user
from ecommerce.errors import Conflict
from ecommerce.unit_of_work import unit_of_work

MAXIMUM = 50


class TooManyAddresses(Conflict):
    """``maximum`` tells how many a customer may keep."""

    code = "too_many_addresses"


def add_address(*, user_id: UUID, fields: Mapping[str, Any], default: bool = False) -> Address:
    """Add an address; the first one, or one added with ``default``, becomes the default.

    Raises:
        UserNotFound: the account is gone or closed.
        TooManyAddresses: the customer keeps 50 already.
    """
    address = Address(user_id=user_id, **fields)
    with unit_of_work("identity"):
        lock_user(user_id)
        count = Address.objects.filter(user=user_id).count()
        if count >= MAXIMUM:
            raise TooManyAddresses("Você já guardou o máximo de endereços.", maximum=MAXIMUM)
        address.save(force_insert=True)
        if default or not count:
            make_default(address)
    return address


def change_address(*, user_id: UUID, address_id: UUID, changes: Mapping[str, Any], default: bool = False) -> Address:
    """Change the named fields of an address; ``default`` makes it the default, and never takes that away.

    Raises:
        AddressNotFound: no such address, or it is another customer's.
    """
    with unit_of_work("identity"):
        lock_user(user_id)
        address = _own(user_id, address_id)
        if changes:
            address.change(changes)
        if default and not address.is_default:
            make_default(address)
    return address


def remove_address(*, user_id: UUID, address_id: UUID) -> None:
    """Delete an address; if it was the default, the newest of the others takes its place.

    Raises:
        AddressNotFound: no such address, or it is another customer's.
    """
    with unit_of_work("identity"):
        lock_user(user_id)
        address = _own(user_id, address_id)
        address.delete()
        pass_default_on(address)


def _own(user_id: UUID, address_id: UUID) -> Address:
    address = Address.objects.filter(user=user_id, pk=address_id).first()
    if address is None:
        raise AddressNotFound("Endereço não encontrado.")
    return address
