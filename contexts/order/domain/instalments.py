"""Paying by card in instalments: what the shop offers and what each choice costs. Pure.

Up to a number of instalments the shop bears the cost: the buyer pays the price, divided. Beyond it the buyer bears
interest by the Price table (constant payments at the end of each month). What does not divide into equal cents goes
onto the first instalment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from contexts.order.domain import METHOD_LABELS, InstalmentsRefused, Method
from ecommerce.money import Money, quantum, rounded


class Bearer(StrEnum):
    """Who bears what paying later costs."""

    SHOP = "shop"
    BUYER = "buyer"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a shop offers.

    Raises:
        ValueError: the rate is not finite, or negative.
    """

    most: int
    """The highest number of instalments."""
    smallest: Decimal
    """The smallest instalment, in the currency of the amount."""
    free: int
    """So many instalments cost the buyer nothing."""
    monthly_rate: Decimal = Decimal(0)
    """Interest in hundredths per month, from ``free`` + 1 instalments on."""

    def __post_init__(self) -> None:
        if not self.monthly_rate.is_finite() or self.monthly_rate < 0:
            raise ValueError(f"{self.monthly_rate} is no rate of interest")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One way to pay ``amount``: ``instalments`` add up to it and its ``interest``."""

    amount: Money
    interest: Money
    """What the buyer pays for paying later, on top."""
    monthly_rate: Decimal
    bearer: Bearer
    instalments: tuple[Money, ...]

    @property
    def count(self) -> int:
        return len(self.instalments)

    @property
    def total(self) -> Money:
        return self.amount + self.interest


def plans(amount: Money, method: Method, terms: Terms) -> list[Plan]:
    """Return the ways to pay ``amount`` by ``method``, the fewest instalments first. Paying at once is always one."""
    most = max(terms.most, 1) if method == Method.CARD else 1
    offered = (_plan(amount, count, terms) for count in range(2, most + 1))
    return [_plan(amount, 1, terms), *(plan for plan in offered if _is_large_enough(plan, terms))]


def plan(amount: Money, method: Method, count: int, terms: Terms) -> Plan:
    """Return how ``amount`` is paid in ``count`` instalments.

    Raises:
        InstalmentsRefused: the method has none, or they are more than the shop allows, or smaller than its minimum.
    """
    if count != 1 and method != Method.CARD:
        raise InstalmentsRefused(f"Não há parcelamento com {METHOD_LABELS[method]}.")
    if not 1 <= count <= max(terms.most, 1):
        raise InstalmentsRefused(f"São no máximo {terms.most} parcelas.", maximum=terms.most)
    chosen = _plan(amount, count, terms)
    if count > 1 and not _is_large_enough(chosen, terms):
        minimum = str(terms.smallest)
        raise InstalmentsRefused(f"A parcela mínima é {minimum} {amount.currency}.", minimum=minimum)
    return chosen


def price_table_total(amount: Decimal, rate: Decimal, count: int) -> Decimal:
    """Return ``count`` constant monthly payments of a loan of ``amount`` together; ``rate`` is a fraction, above 0.

    Source: amortization by the French system, in Brazil "tabela Price": payment = amount × rate ÷ (1 − (1 + rate)⁻ⁿ).
    """
    return amount * rate * count / (1 - (1 + rate) ** -count)


def _plan(amount: Money, count: int, terms: Terms) -> Plan:
    bears = count > max(terms.free, 1)
    rate = terms.monthly_rate if bears else Decimal(0)
    whole = rounded(price_table_total(amount.amount, rate / 100, count), amount.currency) if rate else amount
    return Plan(
        amount=amount,
        interest=whole - amount,
        monthly_rate=rate,
        bearer=Bearer.BUYER if rate else Bearer.SHOP,
        instalments=tuple(_divided(whole, count)),
    )


def _divided(whole: Money, count: int) -> Sequence[Money]:
    """Return ``count`` equal amounts, the first larger by what does not divide."""
    unit = quantum(whole.currency)
    each = Money(whole.amount // (unit * count) * unit, whole.currency)
    return [whole - each * (count - 1), *[each] * (count - 1)]


def _is_large_enough(plan: Plan, terms: Terms) -> bool:
    return bool(plan.instalments[-1].amount >= terms.smallest) and bool(plan.instalments[-1])
