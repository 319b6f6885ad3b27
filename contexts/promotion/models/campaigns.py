"""Campaigns and their discounts."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connections, models
from django.db.models import F, Q

from contexts.promotion.domain import DiscountKind
from ecommerce.errors import Conflict, Invalid
from ecommerce.ids import new_id
from ecommerce.money import Money

KINDS = [
    (DiscountKind.PERCENTAGE.value, "Percentual"),
    (DiscountKind.FIXED.value, "Valor fixo"),
    (DiscountKind.BUY_X_GET_Y.value, "Leve X, ganhe Y"),
    (DiscountKind.FREE_SHIPPING.value, "Frete grátis"),
]
VALUES = ("percent", "amount", "buy_quantity", "get_quantity")
NEEDS: dict[DiscountKind, frozenset[str]] = {
    DiscountKind.PERCENTAGE: frozenset({"percent"}),
    DiscountKind.FIXED: frozenset({"amount"}),
    DiscountKind.BUY_X_GET_Y: frozenset({"percent", "buy_quantity", "get_quantity"}),
    DiscountKind.FREE_SHIPPING: frozenset(),
}
"""Which of the values each kind has; it has no others."""
_HAS_PERCENT = Q(percent__isnull=False, percent__gt=0, percent__lte=100, amount=None)
_HAS_AMOUNT = Q(amount__isnull=False, amount__gt=0, percent=None)
_HAS_PIECES = Q(buy_quantity__isnull=False, buy_quantity__gte=1, get_quantity__isnull=False, get_quantity__gte=1)
_NO_PIECES = Q(buy_quantity=None, get_quantity=None)


class PeriodInvalid(Invalid):
    """The end is not after the start."""

    code = "period_invalid"


class LimitBelowUse(Conflict):
    """The limit or budget is below what was used already; ``used`` tells."""

    code = "limit_below_use"


class DiscountInvalid(Invalid):
    """The values do not fit the kind of the discount."""

    code = "discount_invalid"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    _CHARGE = """
        UPDATE campaigns SET usage_count = campaigns.usage_count + 1, budget_used = campaigns.budget_used + due.amount
        FROM (SELECT locked.id, given.amount
              FROM campaigns AS locked
              JOIN unnest(%s::uuid[], %s::numeric[]) AS given (id, amount) ON given.id = locked.id
              ORDER BY locked.id FOR UPDATE OF locked) AS due
        WHERE campaigns.id = due.id
          AND (campaigns.usage_limit IS NULL OR campaigns.usage_count + 1 <= campaigns.usage_limit)
          AND (campaigns.budget IS NULL OR campaigns.budget_used + due.amount <= campaigns.budget)
    """
    _REFUND = """
        UPDATE campaigns SET usage_count = campaigns.usage_count - 1, budget_used = campaigns.budget_used - due.amount
        FROM (SELECT locked.id, given.amount
              FROM campaigns AS locked
              JOIN unnest(%s::uuid[], %s::numeric[]) AS given (id, amount) ON given.id = locked.id
              ORDER BY locked.id FOR UPDATE OF locked) AS due
        WHERE campaigns.id = due.id
    """

    def charge(self, amounts: Mapping[UUID, Decimal]) -> bool:
        """Take one use and an amount from each campaign, in one statement, locked in id order.

        Returns False when a limit left one of them out: the caller must roll back.
        """
        return self._execute(self._CHARGE, amounts) == len(amounts)

    def refund(self, amounts: Mapping[UUID, Decimal]) -> None:
        """Give back what ``charge`` took; campaigns that are gone are left out."""
        self._execute(self._REFUND, amounts)

    def _execute(self, statement: str, amounts: Mapping[UUID, Decimal]) -> int:
        with connections[self.db].cursor() as cursor:
            cursor.execute(statement, [list(amounts), list(amounts.values())])
            return int(cursor.rowcount)


class Campaign(models.Model):
    """A set of discounts with one period and, if wanted, a limit of uses and a budget.

    ``usage_count`` and ``budget_used`` count reservations too, and only while the campaign has a limit or a budget: a
    basket with nothing limited must cost no write.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField("nome", max_length=120)
    active = models.BooleanField("ativa", default=False)
    starts_at = models.DateTimeField("início")
    ends_at = models.DateTimeField("fim", null=True, blank=True, help_text="Vazio: sem data para terminar.")
    priority = models.SmallIntegerField("prioridade", default=0, help_text="A maior é aplicada primeiro.")
    usage_limit = models.PositiveIntegerField("limite de usos", null=True, blank=True)
    usage_count = models.PositiveIntegerField("usos", default=0, editable=False)
    budget = models.DecimalField(
        "orçamento", max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(Decimal(0))]
    )
    budget_used = models.DecimalField("orçamento usado", max_digits=12, decimal_places=2, default=0, editable=False)
    currency = models.CharField("moeda", max_length=3, default="BRL")
    """Of the budget and of every amount in the campaign's discounts."""
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField("criada em", auto_now_add=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        db_table = "campaigns"
        verbose_name = "campanha"
        verbose_name_plural = "campanhas"
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(usage_limit=None) | Q(usage_count__lte=F("usage_limit")),
                name="campaign_usage_within_limit",
                violation_error_message="O limite de usos é menor que os usos já feitos.",
            ),
            models.CheckConstraint(
                condition=Q(budget=None) | Q(budget_used__lte=F("budget")),
                name="campaign_within_budget",
                violation_error_message="O orçamento é menor que o valor já concedido.",
            ),
            models.CheckConstraint(condition=Q(budget_used__gte=0), name="campaign_budget_used_not_negative"),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="campaign_ends_after_start",
                violation_error_message="O fim deve ser depois do início.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["starts_at"], name="campaign_active", condition=Q(active=True)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def budget_left(self) -> Money | None:
        return None if self.budget is None else Money(self.budget - self.budget_used, self.currency)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set the given fields and save only them: the counters belong to redemptions. The row must be locked.

        Raises:
            PeriodInvalid: it would end before it starts.
            LimitBelowUse: a limit would be below what was used.
        """
        for name, value in changes.items():
            setattr(self, name, value)
        self.guard()
        self.save_changed(changes)

    def guard(self) -> None:
        """Refuse a period or limits that contradict themselves; raises as ``change`` does."""
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PeriodInvalid("A campanha deve terminar depois de começar.")
        if self.usage_limit is not None and self.usage_limit < self.usage_count:
            raise LimitBelowUse("O limite de usos é menor que os usos já feitos.", used=self.usage_count)
        if self.budget is not None and self.budget < self.budget_used:
            raise LimitBelowUse("O orçamento é menor que o valor já concedido.", used=str(self.budget_used))

    def save_changed(self, names: Iterable[str] = ()) -> None:
        """Save these fields of a locked row as a new version."""
        self.version += 1
        self.save(update_fields=[*names, "version"])


class Discount(models.Model):
    """One rule of a campaign. Which values it needs depends on its kind; a CHECK says so.

    ``percent`` of a buy-X-get-Y is taken off the Y cheapest pieces. Without categories and products it covers the whole
    basket. Amounts are in the campaign's currency.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="discounts", verbose_name="campanha")
    label = models.CharField("texto para o cliente", max_length=120)
    kind = models.CharField("tipo", max_length=16, choices=KINDS)
    percent = models.DecimalField(
        "percentual",
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal(100))],
    )
    amount = models.DecimalField(
        "valor",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
    )
    buy_quantity = models.PositiveSmallIntegerField("compre", null=True, blank=True, validators=[MinValueValidator(1)])
    get_quantity = models.PositiveSmallIntegerField("ganhe", null=True, blank=True, validators=[MinValueValidator(1)])
    minimum_subtotal = models.DecimalField(
        "subtotal mínimo", max_digits=12, decimal_places=2, default=0, validators=[MinValueValidator(Decimal(0))]
    )
    category_ids = ArrayField(models.UUIDField(), default=list, blank=True, verbose_name="categorias")
    product_ids = ArrayField(models.UUIDField(), default=list, blank=True, verbose_name="produtos")
    first_purchase_only = models.BooleanField("só na primeira compra", default=False)
    priority = models.SmallIntegerField("prioridade", default=0)
    exclusive = models.BooleanField("exclusivo", default=False, help_text="Não se soma a nenhum outro desconto.")
    stackable = models.BooleanField(
        "cumulativo", default=True, help_text="Desmarcado: só vale para itens sem outro desconto."
    )
    requires_coupon = models.BooleanField("exige cupom", default=False)
    created_at = models.DateTimeField("criado em", auto_now_add=True)

    class Meta:
        db_table = "discounts"
        verbose_name = "desconto"
        verbose_name_plural = "descontos"
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=(Q(kind="percentage") & _HAS_PERCENT & _NO_PIECES)
                | (Q(kind="fixed") & _HAS_AMOUNT & _NO_PIECES)
                | (Q(kind="buy_x_get_y") & _HAS_PERCENT & _HAS_PIECES)
                | (Q(kind="free_shipping", percent=None, amount=None) & _NO_PIECES),
                name="discount_values_fit_kind",
                violation_error_message="Os valores não combinam com o tipo do desconto.",
            ),
            models.CheckConstraint(condition=Q(minimum_subtotal__gte=0), name="discount_minimum_not_negative"),
        ]

    def __str__(self) -> str:
        return self.label

    def guard(self) -> None:
        """Refuse values that do not belong to the kind.

        Raises:
            DiscountInvalid: they do not.
        """
        needed = NEEDS[DiscountKind(self.kind)]
        given = {name for name in VALUES if getattr(self, name) is not None}
        if given != needed or (self.amount is not None and self.amount <= 0):
            raise DiscountInvalid("Os valores não combinam com o tipo do desconto.", needs=sorted(needed))
