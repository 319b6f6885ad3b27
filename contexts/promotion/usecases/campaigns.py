"""What staff does with campaigns. A campaign and its discounts change as one: every change is a new version of it."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import ProtectedError

from contexts.promotion.models import Campaign, Discount
from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work

MAXIMUM_DISCOUNTS = 50
CheckVersion = Callable[[int], None]
"""Raises unless the version under the lock is the one that the caller has seen."""


class CampaignNotFound(NotFound):
    code = "campaign_not_found"


class DiscountNotFound(NotFound):
    code = "discount_not_found"


class CampaignInUse(Conflict):
    """It has coupons; switch it off instead of deleting it."""

    code = "campaign_in_use"


class TooManyDiscounts(Conflict):
    code = "too_many_discounts"


class CurrencyMismatch(Invalid):
    """An amount is not in the campaign's currency."""

    code = "currency_mismatch"


def create_campaign(*, values: Mapping[str, Any]) -> UUID:
    """Store a campaign from its field values, the budget as ``Money``, and return its id.

    Raises:
        CurrencyMismatch, PeriodInvalid.
    """
    campaign = Campaign(**_amounts(values, values.get("currency", "BRL")))
    campaign.guard()
    with unit_of_work("promotion"):
        campaign.save(force_insert=True)
    return campaign.id


def change_campaign(*, campaign_id: UUID, values: Mapping[str, Any], check_version: CheckVersion) -> int:
    """Change the given fields and return the new version. The currency never changes.

    Raises:
        CampaignNotFound, CurrencyMismatch, PeriodInvalid, LimitBelowUse, and what ``check_version`` raises.
    """
    with unit_of_work("promotion"):
        campaign = _locked(campaign_id)
        check_version(campaign.version)
        campaign.change(_amounts(values, campaign.currency))
        return campaign.version


def delete_campaign(*, campaign_id: UUID, check_version: CheckVersion) -> None:
    """Delete a campaign and its discounts.

    Raises:
        CampaignNotFound, CampaignInUse, and what ``check_version`` raises.
    """
    with unit_of_work("promotion"):
        campaign = _locked(campaign_id)
        check_version(campaign.version)
        _delete(campaign)


def add_discount(*, campaign_id: UUID, values: Mapping[str, Any]) -> UUID:
    """Add a discount to a campaign and return its id; amounts are ``Money``.

    Raises:
        CampaignNotFound, CurrencyMismatch, DiscountInvalid, TooManyDiscounts.
    """
    with unit_of_work("promotion"):
        campaign = _locked(campaign_id)
        if campaign.discounts.count() >= MAXIMUM_DISCOUNTS:
            raise TooManyDiscounts(f"Uma campanha tem no máximo {MAXIMUM_DISCOUNTS} descontos.")
        discount = Discount(campaign=campaign, **_amounts(values, campaign.currency))
        discount.guard()
        discount.save(force_insert=True)
        campaign.save_changed()
    return discount.id


def change_discount(
    *, campaign_id: UUID, discount_id: UUID, values: Mapping[str, Any], check_version: CheckVersion
) -> int:
    """Change the given fields of a discount and return the campaign's new version.

    Raises:
        CampaignNotFound, DiscountNotFound, CurrencyMismatch, DiscountInvalid, and what ``check_version`` raises.
    """
    with unit_of_work("promotion"):
        campaign = _locked(campaign_id)
        check_version(campaign.version)
        discount = _discount_of(campaign, discount_id)
        for name, value in _amounts(values, campaign.currency).items():
            setattr(discount, name, value)
        discount.guard()
        discount.save()
        campaign.save_changed()
        return campaign.version


def delete_discount(*, campaign_id: UUID, discount_id: UUID, check_version: CheckVersion) -> None:
    """Delete a discount that has no coupons.

    Raises:
        CampaignNotFound, DiscountNotFound, CampaignInUse, and what ``check_version`` raises.
    """
    with unit_of_work("promotion"):
        campaign = _locked(campaign_id)
        check_version(campaign.version)
        _delete(_discount_of(campaign, discount_id))
        campaign.save_changed()


def _locked(campaign_id: UUID) -> Campaign:
    campaign = Campaign.objects.select_for_update().filter(id=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound("Esta campanha não existe.")
    return campaign


def _discount_of(campaign: Campaign, discount_id: UUID) -> Discount:
    discount = campaign.discounts.filter(id=discount_id).first()
    if discount is None:
        raise DiscountNotFound("Este desconto não existe.")
    return discount


def _delete(row: Campaign | Discount) -> None:
    try:
        row.delete()
    except ProtectedError as error:
        raise CampaignInUse("Há cupons; desative a campanha em vez de excluí-la.") from error


def _amounts(values: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """Return ``values`` with plain amounts in place of money."""
    if any(isinstance(value, Money) and value.currency != currency for value in values.values()):
        raise CurrencyMismatch(f"Os valores desta campanha são em {currency}.")
    return {name: value.amount if isinstance(value, Money) else value for name, value in values.items()}
