"""Coupons, the batches they are generated in, and their uses by each customer."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import connections, models
from django.db.models import F, Q

from contexts.promotion.models.campaigns import Discount, LimitBelowUse, PeriodInvalid
from ecommerce.ids import new_id

CODE_PATTERN = r"^[A-Z0-9][A-Z0-9_-]{2,39}$"
PREFIX_PATTERN = r"^([A-Z0-9][A-Z0-9_-]{0,19})?$"
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters and digits that people do not mix up when they read a code aloud or type it."""
RANDOM_LENGTH = 12
"""About 59 bits: guessing one of 10,000 codes takes some 10^13 tries on average."""
MAXIMUM_BATCH = 10_000
INSERT_SIZE = 1_000


class CouponBatch(models.Model):
    """Coupons that were generated together; their codes are unpredictable."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    discount = models.ForeignKey(Discount, on_delete=models.PROTECT, related_name="batches", verbose_name="desconto")
    prefix = models.CharField(
        "prefixo", max_length=20, blank=True, validators=[RegexValidator(PREFIX_PATTERN)], help_text="Ex.: NATAL-"
    )
    size = models.PositiveIntegerField(
        "quantidade", validators=[MinValueValidator(1), MaxValueValidator(MAXIMUM_BATCH)]
    )
    usage_limit = models.PositiveIntegerField("usos por cupom", null=True, blank=True, default=1)
    per_customer_limit = models.PositiveIntegerField("usos por cliente", null=True, blank=True)
    starts_at = models.DateTimeField("início", null=True, blank=True)
    ends_at = models.DateTimeField("fim", null=True, blank=True)
    created_at = models.DateTimeField("criado em", auto_now_add=True)

    class Meta:
        db_table = "coupon_batches"
        verbose_name = "lote de cupons"
        verbose_name_plural = "lotes de cupons"
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(size__gte=1, size__lte=MAXIMUM_BATCH), name="coupon_batch_size"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.size})"

    def guard(self) -> None:
        """Refuse a period that contradicts itself.

        Raises:
            PeriodInvalid: the coupons would end before they start.
        """
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PeriodInvalid("O cupom deve terminar depois de começar.")

    def generate(self) -> list[str]:
        """Insert the coupons, 1,000 a statement, and return their codes. Once per batch, inside a transaction."""
        codes: set[str] = set()
        while len(codes) < self.size:
            codes.add(self.prefix + _random_code())
        Coupon.objects.bulk_create([self._coupon(code) for code in sorted(codes)], batch_size=INSERT_SIZE)
        return sorted(codes)

    def _coupon(self, code: str) -> "Coupon":
        return Coupon(
            code=code,
            discount_id=self.discount_id,
            batch=self,
            usage_limit=self.usage_limit,
            per_customer_limit=self.per_customer_limit,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )


class CouponQuerySet(models.QuerySet["Coupon"]):
    def take_use(self, *, coupon_id: UUID) -> bool:
        """Reserve one use; False when none is left."""
        free = Q(usage_limit=None) | Q(usage_count__lt=F("usage_limit"))
        return bool(self.filter(free, id=coupon_id).update(usage_count=F("usage_count") + 1))

    def give_use_back(self, *, coupon_id: UUID, confirmed: bool) -> None:
        self.filter(id=coupon_id).update(
            usage_count=F("usage_count") - 1, confirmed_count=F("confirmed_count") - int(confirmed)
        )


class Coupon(models.Model):
    """A code that opens a discount. Codes are stored in capitals, so they are unique whatever the case.

    ``usage_count`` counts reserved and confirmed uses, ``confirmed_count`` the confirmed ones among them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField("código", max_length=40, unique=True, validators=[RegexValidator(CODE_PATTERN)])
    discount = models.ForeignKey(Discount, on_delete=models.PROTECT, related_name="coupons", verbose_name="desconto")
    batch = models.ForeignKey(
        CouponBatch,
        on_delete=models.PROTECT,
        related_name="coupons",
        null=True,
        blank=True,
        editable=False,
        verbose_name="lote",
    )
    active = models.BooleanField("ativo", default=True)
    starts_at = models.DateTimeField("início", null=True, blank=True)
    ends_at = models.DateTimeField("fim", null=True, blank=True)
    usage_limit = models.PositiveIntegerField("limite de usos", null=True, blank=True)
    usage_count = models.PositiveIntegerField("usos", default=0, editable=False)
    confirmed_count = models.PositiveIntegerField("usos confirmados", default=0, editable=False)
    per_customer_limit = models.PositiveIntegerField("limite por cliente", null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField("criado em", auto_now_add=True)

    objects = CouponQuerySet.as_manager()

    class Meta:
        db_table = "coupons"
        verbose_name = "cupom"
        verbose_name_plural = "cupons"
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(code__regex=CODE_PATTERN), name="coupon_code_capital"),
            models.CheckConstraint(
                condition=Q(usage_limit=None) | Q(usage_count__lte=F("usage_limit")),
                name="coupon_usage_within_limit",
                violation_error_message="O limite de usos é menor que os usos já feitos.",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_count__lte=F("usage_count")), name="coupon_confirmed_within_usage"
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(starts_at=None) | Q(ends_at__gt=F("starts_at")),
                name="coupon_ends_after_start",
                violation_error_message="O fim deve ser depois do início.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set the given fields and save only them: the counters belong to redemptions. The row must be locked.

        Raises:
            PeriodInvalid: it would end before it starts.
            LimitBelowUse: the limit would be below what was used.
        """
        for name, value in changes.items():
            setattr(self, name, value)
        self.guard()
        self.save_changed(changes)

    def save_changed(self, names: Iterable[str]) -> None:
        """Save these fields of a locked row as a new version."""
        self.version += 1
        self.save(update_fields=[*names, "version"])

    def guard(self) -> None:
        """Refuse a period or a limit that contradicts itself; raises as ``change`` does."""
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PeriodInvalid("O cupom deve terminar depois de começar.")
        if self.usage_limit is not None and self.usage_limit < self.usage_count:
            raise LimitBelowUse("O limite de usos é menor que os usos já feitos.", used=self.usage_count)

    def confirm_use(self) -> bool:
        """Count one reserved use as confirmed; True when it was the last one. The row must be locked."""
        self.confirmed_count += 1
        self.version += 1
        self.save(update_fields=["confirmed_count", "version"])
        return self.confirmed_count == self.usage_limit


class CustomerUseQuerySet(models.QuerySet["CouponCustomerUse"]):
    _TAKE = """
        INSERT INTO coupon_customer_uses AS mine (id, coupon_id, customer_key, uses)
        SELECT given.id, %(coupon_id)s, given.customer_key, 1
        FROM unnest(%(ids)s::uuid[], %(keys)s::text[]) AS given (id, customer_key)
        ORDER BY given.customer_key
        ON CONFLICT (coupon_id, customer_key) DO UPDATE SET uses = mine.uses + 1
        WHERE %(limit)s::int IS NULL OR mine.uses + 1 <= %(limit)s::int
    """

    def take(self, *, coupon_id: UUID, customer_keys: Sequence[str], limit: int | None) -> bool:
        """Count one use under every name of the buyer, in one statement, locked in key order.

        Returns False when ``limit`` left one of them out: the caller must roll back.
        """
        parameters: dict[str, Any] = {
            "ids": [new_id() for _ in customer_keys],
            "keys": sorted(customer_keys),
            "coupon_id": coupon_id,
            "limit": limit,
        }
        with connections[self.db].cursor() as cursor:
            cursor.execute(self._TAKE, parameters)
            return bool(cursor.rowcount == len(customer_keys))

    def give_back(self, *, coupon_id: UUID, customer_keys: Sequence[str]) -> None:
        self.filter(coupon_id=coupon_id, customer_key__in=customer_keys).update(uses=F("uses") - 1)


class CouponCustomerUse(models.Model):
    """How often one customer used one coupon, reserved uses included. See ``domain.customer_keys``."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE, related_name="customer_uses", verbose_name="cupom")
    customer_key = models.CharField("cliente", max_length=80)
    uses = models.PositiveIntegerField("usos")

    objects = CustomerUseQuerySet.as_manager()

    class Meta:
        db_table = "coupon_customer_uses"
        verbose_name = "uso por cliente"
        verbose_name_plural = "usos por cliente"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["coupon", "customer_key"], name="coupon_customer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_key}: {self.uses}"


def _random_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
