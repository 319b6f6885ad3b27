"""What staff does with coupons."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from psycopg.errors import UniqueViolation

from contexts.promotion.domain import normalised_code
from contexts.promotion.models import Coupon, CouponBatch, Discount
from contexts.promotion.usecases.campaigns import DiscountNotFound
from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.unit_of_work import unit_of_work


class CouponNotFound(NotFound):
    code = "coupon_not_found"


class CodeTaken(Conflict):
    """Another coupon has this code."""

    code = "coupon_code_taken"


class CouponNotWanted(Invalid):
    """The discount applies without a coupon."""

    code = "coupon_not_wanted"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A batch of coupons and their codes, sorted."""

    batch_id: UUID
    codes: list[str]


def create_coupon(*, discount_id: UUID, code: str, values: Mapping[str, Any]) -> str:
    """Store a coupon for a discount that requires one and return its code as stored, in capitals.

    Raises:
        DiscountNotFound, CouponNotWanted, CodeTaken, PeriodInvalid.
    """
    coupon = Coupon(code=normalised_code(code), discount_id=discount_id, **values)
    coupon.guard()
    try:
        with unit_of_work("promotion"):
            _locked_discount(Discount.objects.filter(id=discount_id))
            coupon.save(force_insert=True)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise CodeTaken("Já existe um cupom com este código.") from error
    return coupon.code


def change_coupon(*, code: str, values: Mapping[str, Any], check_version: Callable[[int], None]) -> int:
    """Change the given fields (never code or discount) and return the new version.

    Raises:
        CouponNotFound, PeriodInvalid, LimitBelowUse, and what ``check_version`` raises.
    """
    with unit_of_work("promotion"):
        coupon = Coupon.objects.select_for_update(no_key=True).filter(code=normalised_code(code)).first()
        if coupon is None:
            raise CouponNotFound("Este cupom não existe.")
        check_version(coupon.version)
        coupon.change(values)
        return coupon.version


def generate_coupons(*, campaign_id: UUID, discount_id: UUID, values: Mapping[str, Any]) -> Generated:
    """Generate a batch of at most 10,000 coupons with unpredictable codes, all or none.

    ``values`` are fields of the batch: prefix, size, limits and period of each coupon.

    Raises:
        DiscountNotFound, CouponNotWanted, PeriodInvalid.
    """
    batch = CouponBatch(discount_id=discount_id, **values)
    batch.guard()
    with unit_of_work("promotion"):
        _locked_discount(Discount.objects.filter(id=discount_id, campaign_id=campaign_id))
        batch.save(force_insert=True)
        return Generated(batch_id=batch.id, codes=batch.generate())


def _locked_discount(rows: QuerySet[Discount]) -> Discount:
    """Return the discount; its campaign is locked, so that neither is deleted meanwhile."""
    discount = rows.select_related("campaign").select_for_update(of=("campaign",)).first()
    if discount is None:
        raise DiscountNotFound("Este desconto não existe.")
    if not discount.requires_coupon:
        raise CouponNotWanted("Este desconto vale sem cupom.")
    return discount
