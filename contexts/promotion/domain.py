"""The quote engine: which discounts apply to a basket, in what order, and what each takes off which line.

Rules are tried one after the other, each on what the earlier ones left to pay. The order is campaign priority, discount
priority (both: higher first), exclusive before others, then age. An *exclusive* discount applies alone: it is skipped
when something was applied before it, and nothing is tried after it. A discount that is not *stackable* takes only lines
that no other discount has touched, and keeps them to itself.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from contexts.promotion.interface import AppliedDiscount, Basket, BasketLine, Quote
from ecommerce.errors import Invalid
from ecommerce.money import Money

MAXIMUM_LINES = 200
ZERO = Decimal(0)
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}")


class BasketInvalid(Invalid):
    """The basket breaks its contract: too many lines, mixed currencies, a repeated line id, a negative price."""

    code = "basket_invalid"


class DiscountKind(StrEnum):
    PERCENTAGE = "percentage"
    FIXED = "fixed"
    BUY_X_GET_Y = "buy_x_get_y"
    FREE_SHIPPING = "free_shipping"


class Refusal(StrEnum):
    """Why a coupon does not apply: the reasons of ``CouponRefused``."""

    UNKNOWN = "unknown"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    EXHAUSTED = "exhausted"
    CUSTOMER_LIMIT = "customer_limit"
    BUDGET = "budget"
    MINIMUM = "minimum"
    NOT_APPLICABLE = "not_applicable"
    FIRST_PURCHASE_ONLY = "first_purchase_only"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One discount of a running campaign.

    ``percent`` is what a percentage takes off, and for buy-X-get-Y what is taken off the Y pieces (100 = free).
    ``minimum_subtotal`` counts the list prices of the lines that the rule covers. Without categories and products it
    covers every line, else those in any of the categories or among the products. ``budget_left`` is the money that the
    campaign may still give away, None when it has no budget. ``limited``: its campaign counts uses or money.
    """

    discount_id: UUID
    campaign_id: UUID
    label: str
    kind: DiscountKind
    percent: Decimal = ZERO
    amount: Decimal = ZERO
    buy_quantity: int = 0
    get_quantity: int = 0
    currency: str = "BRL"
    minimum_subtotal: Decimal = ZERO
    category_ids: frozenset[UUID] = frozenset()
    product_ids: frozenset[UUID] = frozenset()
    first_purchase_only: bool = False
    campaign_priority: int = 0
    priority: int = 0
    exclusive: bool = False
    stackable: bool = True
    limited: bool = False
    budget_left: Decimal | None = None
    coupon_code: str = ""

    @property
    def order(self) -> tuple[int, int, bool, UUID]:
        """The sort key of the evaluation; ids grow with time, so ties go to the older discount."""
        return (-self.campaign_priority, -self.priority, not self.exclusive, self.discount_id)

    def covers(self, line: BasketLine) -> bool:
        if not self.category_ids and not self.product_ids:
            return True
        return line.product_id in self.product_ids or not self.category_ids.isdisjoint(line.category_ids)


@dataclass(frozen=True, kw_only=True)
class Window:
    """When something may be used, and how often; None means without end or without limit."""

    active: bool
    starts_at: datetime | None
    ends_at: datetime | None
    usage_limit: int | None
    usage_count: int

    def refusal(self, now: datetime) -> Refusal | None:
        if self.starts_at is not None and now < self.starts_at:
            return Refusal.NOT_STARTED
        if not self.active or (self.ends_at is not None and now >= self.ends_at):
            return Refusal.ENDED
        if self.usage_limit is not None and self.usage_count >= self.usage_limit:
            return Refusal.EXHAUSTED
        return None


def coupon_refusal(
    *, coupon: Window, campaign: Window, per_customer_limit: int | None, customer_uses: int, now: datetime
) -> Refusal | None:
    """Return why a coupon cannot be used at all, whatever is in the basket; None when it can."""
    if reason := coupon.refusal(now) or campaign.refusal(now):
        return reason
    if per_customer_limit is not None and customer_uses >= per_customer_limit:
        return Refusal.CUSTOMER_LIMIT
    return None


def normalised_code(code: str) -> str:
    """Return ``code`` as coupons are stored, or an empty string when no coupon can have it."""
    candidate = code.strip().upper()
    return candidate if _CODE.fullmatch(candidate) else ""


def customer_keys(*, customer_id: UUID | None, email: str) -> list[str]:
    """Return the names under which a buyer's uses are counted, sorted: the account, and a hash of the e-mail.

    A customer with an account is counted under both, so that logging out does not renew a per-customer limit.
    """
    keys = [f"customer:{customer_id}"] if customer_id else []
    if address := email.strip().lower():
        keys.append("email:" + hashlib.sha256(address.encode()).hexdigest())
    return sorted(keys)


def quote(*, basket: Basket, rules: Iterable[Rule], first_purchase: bool, refusal: Refusal | None = None) -> Quote:
    """Return what ``rules`` take off ``basket``.

    The coupon's own rule is among ``rules`` only when the coupon can be used, else ``refusal`` says why not. The result
    does not depend on the order of lines or rules.

    Raises:
        BasketInvalid: the basket breaks its contract.
    """
    bill = _Bill.of(basket)
    applied: list[AppliedDiscount] = []
    ordered = sorted(rules, key=lambda rule: rule.order)
    if any(rule.coupon_code for rule in ordered):
        refusal = Refusal.NOT_APPLICABLE
    for rule in ordered:
        outcome = bill.apply(rule, alone=not applied, first_purchase=first_purchase)
        if rule.coupon_code:
            refusal = outcome if isinstance(outcome, Refusal) else None
        if isinstance(outcome, AppliedDiscount):
            applied.append(outcome)
            if rule.exclusive:
                break
    return bill.quote(applied, refusal)


@dataclass(kw_only=True)
class _Bill:
    """What is left to pay while rules are applied one after the other."""

    currency: str
    lines: Sequence[BasketLine]
    left: list[Decimal]
    shipping: Decimal
    shipping_left: Decimal
    touched: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    """Lines that a discount which does not stack keeps to itself."""
    budgets: dict[UUID, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, basket: Basket) -> "_Bill":
        currency = basket.lines[0].unit_price.currency if basket.lines else basket.shipping.currency
        _check(basket, currency)
        lines = sorted(
            basket.lines, key=lambda line: (line.variant_id, line.unit_price.amount, line.quantity, line.line_id)
        )
        return cls(
            currency=currency,
            lines=lines,
            left=[line.unit_price.amount * line.quantity for line in lines],
            shipping=basket.shipping.amount,
            shipping_left=basket.shipping.amount,
        )

    def apply(self, rule: Rule, *, alone: bool, first_purchase: bool) -> AppliedDiscount | Refusal | None:
        """Take ``rule`` off the bill; return why it does not apply, or None when it applies but finds nothing to take
        (free shipping before the shipping is known)."""
        covered = [index for index, line in enumerate(self.lines) if rule.covers(line)]
        if not covered or rule.currency != self.currency or (rule.exclusive and not alone):
            return Refusal.NOT_APPLICABLE
        if rule.first_purchase_only and not first_purchase:
            return Refusal.FIRST_PURCHASE_ONLY
        gross = sum(self.lines[index].unit_price.amount * self.lines[index].quantity for index in covered)
        if gross < rule.minimum_subtotal:
            return Refusal.MINIMUM
        if rule.kind is DiscountKind.FREE_SHIPPING:
            if not self.shipping:
                return None
            return self._book(rule, {}, self.shipping_left)
        open_lines = [
            index for index in covered if index not in self.kept and (rule.stackable or index not in self.touched)
        ]
        return self._book(rule, self._parts(rule, open_lines), ZERO)

    def quote(self, applied: list[AppliedDiscount], refusal: Refusal | None) -> Quote:
        discounts = {
            line.line_id: self._money(line.unit_price.amount * line.quantity - left)
            for line, left in zip(self.lines, self.left, strict=True)
        }
        shipping = self._money(self.shipping - self.shipping_left)
        return Quote(
            applied=applied,
            line_discounts=discounts,
            shipping_discount=shipping,
            total_discount=sum(discounts.values(), start=shipping),
            coupon_refusal=refusal or "",
        )

    def _parts(self, rule: Rule, lines: Sequence[int]) -> Mapping[int, Decimal]:
        """Return what ``rule`` takes off each of ``lines``."""
        match rule.kind:
            case DiscountKind.PERCENTAGE:
                base = {index: self.left[index] for index in lines}
                amount = self._money(sum(base.values(), ZERO)).percentage(rule.percent)
            case DiscountKind.FIXED:
                base = {index: self.left[index] for index in lines}
                amount = self._money(min(rule.amount, sum(base.values(), ZERO)))
            case _:
                base = self._value_of_pieces(self._free_pieces(rule, lines))
                amount = self._money(sum(base.values(), ZERO)).percentage(rule.percent)
        if not amount:
            return {}
        shares = amount.allocate(list(base.values()))
        return {index: share.amount for index, share in zip(base, shares, strict=True)}

    def _free_pieces(self, rule: Rule, lines: Sequence[int]) -> dict[int, int]:
        """Return how many pieces of which line are the Y of buy-X-get-Y: the cheapest of all covered pieces."""
        groups = sum(self.lines[index].quantity for index in lines) // (rule.buy_quantity + rule.get_quantity)
        missing = groups * rule.get_quantity
        pieces: dict[int, int] = {}
        for index in sorted(lines, key=lambda index: (self.lines[index].unit_price.amount, index)):
            pieces[index] = min(missing, self.lines[index].quantity)
            missing -= pieces[index]
        return {index: count for index, count in pieces.items() if count}

    def _value_of_pieces(self, pieces: Mapping[int, int]) -> dict[int, Decimal]:
        """Return what is still to be paid for that many pieces of each line."""
        return {
            index: self._money(self.left[index]).allocate([count, self.lines[index].quantity - count])[0].amount
            for index, count in pieces.items()
        }

    def _book(self, rule: Rule, parts: Mapping[int, Decimal], shipping: Decimal) -> AppliedDiscount | Refusal:
        amount = sum(parts.values(), shipping)
        if not amount:
            return Refusal.NOT_APPLICABLE
        if rule.budget_left is not None:
            budget = self.budgets.setdefault(rule.campaign_id, rule.budget_left)
            if budget < amount:
                return Refusal.BUDGET
            self.budgets[rule.campaign_id] = budget - amount
        for index, part in parts.items():
            self.left[index] -= part
        reduced = {index for index, part in parts.items() if part}
        self.touched |= reduced
        if not rule.stackable:
            self.kept |= reduced
        self.shipping_left -= shipping
        return AppliedDiscount(
            discount_id=rule.discount_id,
            label=rule.label,
            amount=self._money(amount),
            shipping_amount=self._money(shipping),
            coupon_code=rule.coupon_code,
        )

    def _money(self, amount: Decimal) -> Money:
        return Money(amount, self.currency)


def _check(basket: Basket, currency: str) -> None:
    if len(basket.lines) > MAXIMUM_LINES:
        raise BasketInvalid(f"A basket has at most {MAXIMUM_LINES} lines.")
    if len({line.line_id for line in basket.lines}) != len(basket.lines):
        raise BasketInvalid("Two lines of the basket have the same id.")
    if any(line.quantity < 1 or line.unit_price.amount < 0 for line in basket.lines) or basket.shipping.amount < 0:
        raise BasketInvalid("Quantities must be positive, prices must not be negative.")
    if any(line.unit_price.currency != currency for line in basket.lines):
        raise BasketInvalid("All lines must have the same currency.")
    if basket.shipping and basket.shipping.currency != currency:
        raise BasketInvalid("The shipping must have the currency of the lines.")
