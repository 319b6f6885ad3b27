"""A cart against today's catalog and promotions: what moved, and why the total is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contexts.cart.domain.state import CartState, Line
from contexts.catalog.interface import Variant
from contexts.promotion.interface import Basket, BasketLine, Quote
from ecommerce.money import Money, total

PRICE_CHANGED = "price_changed"
OUT_OF_STOCK = "out_of_stock"
UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class ReviewedLine:
    """``current_price`` is today's; ``available`` None when nobody could tell; ``issues`` names what the customer must
    know before paying: price_changed, out_of_stock, unavailable. An unavailable line counts in no total."""

    line: Line
    current_price: Money
    available: int | None
    issues: list[str]
    discount: Money

    @property
    def is_sold(self) -> bool:
        return UNAVAILABLE not in self.issues

    @property
    def total(self) -> Money:
        """Before discounts."""
        return self.current_price * self.line.quantity


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One step from nothing to the total. ``kind`` is line, discount or total; discounts are negative."""

    kind: str
    label: str
    amount: Money
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class Review:
    """``unknown`` names what could not be asked just now: stock (then prices are the last known) and discounts."""

    lines: list[ReviewedLine]
    subtotal: Money
    discount: Money
    total: Money
    explanation: list[Rule]
    coupon_refusal: str = ""
    unknown: list[str] = field(default_factory=list)

    @property
    def ready_for_checkout(self) -> bool:
        """Whether a checkout at ``total`` can be expected to pass; a price that moved must be noticed first."""
        return bool(self.lines) and not self.unknown and not any(line.issues for line in self.lines)


def review(state: CartState, *, variants: Mapping[UUID, Variant], quote: Quote | None, refusal: str = "") -> Review:
    """Return the cart as it would be bought now. Without a ``quote`` the discounts are not known, and ``refusal`` is
    what was heard of the coupon last."""
    lines = [_against_catalog(line, variants.get(line.variant_id), quote) for line in state.lines]
    return _summed_up(state, lines, quote, refusal=refusal, unknown=[] if quote else ["discounts"])


def review_by_last_known_prices(state: CartState, *, prices: Mapping[UUID, Money], refusal: str = "") -> Review:
    """Return the cart as far as it is known while catalog cannot be asked; ``prices`` are those heard of last."""
    lines = []
    for line in state.lines:
        price = prices.get(line.variant_id, line.unit_price)
        lines.append(
            ReviewedLine(
                line=line,
                current_price=price,
                available=None,
                issues=_price_issue(line, price),
                discount=Money(Decimal(0), state.currency),
            )
        )
    return _summed_up(state, lines, None, refusal=refusal, unknown=["stock", "discounts"])


def basket_of(state: CartState, *, variants: Mapping[UUID, Variant], coupon_code: str) -> Basket:
    """Return the lines that are sold, at today's prices, as promotion wants to see them."""
    sold = [(line, variants[line.variant_id]) for line in state.lines if _is_sold(variants.get(line.variant_id))]
    return Basket(
        lines=[
            BasketLine(
                line_id=str(line.variant_id),
                variant_id=variant.id,
                product_id=variant.product_id,
                category_ids=variant.category_ids,
                unit_price=variant.price,
                quantity=line.quantity,
            )
            for line, variant in sold
        ],
        shipping=Money(Decimal(0), state.currency),
        coupon_code=coupon_code,
        customer_id=state.customer_id,
        email=state.email,
    )


def no_discounts(currency: str) -> Quote:
    """Return the quote of an empty basket."""
    zero = Money(Decimal(0), currency)
    return Quote(applied=[], line_discounts={}, shipping_discount=zero, total_discount=zero)


def _is_sold(variant: Variant | None) -> bool:
    return variant is not None and variant.on_sale


def _price_issue(line: Line, price: Money) -> list[str]:
    return [PRICE_CHANGED] if price != line.unit_price else []


def _against_catalog(line: Line, variant: Variant | None, quote: Quote | None) -> ReviewedLine:
    zero = Money(Decimal(0), line.unit_price.currency)
    if variant is None or not variant.on_sale:
        return ReviewedLine(line=line, current_price=line.unit_price, available=0, issues=[UNAVAILABLE], discount=zero)
    issues = _price_issue(line, variant.price)
    if line.quantity > variant.available:
        issues.append(OUT_OF_STOCK)
    discount = quote.line_discounts.get(str(line.variant_id), zero) if quote else zero
    return ReviewedLine(
        line=line, current_price=variant.price, available=max(variant.available, 0), issues=issues, discount=discount
    )


def _summed_up(
    state: CartState, lines: list[ReviewedLine], quote: Quote | None, *, refusal: str, unknown: list[str]
) -> Review:
    sold = [line for line in lines if line.is_sold]
    subtotal = total((line.total for line in sold), state.currency)
    discount = quote.total_discount if quote else Money(Decimal(0), state.currency)
    rules = [
        Rule(
            kind="line",
            label=f"{reviewed.line.quantity} × {reviewed.line.name}",
            amount=reviewed.total,
            reference=str(reviewed.line.variant_id),
        )
        for reviewed in sold
    ]
    for applied in quote.applied if quote else []:
        rules.append(
            Rule(kind="discount", label=applied.label, amount=-applied.amount, reference=str(applied.discount_id))
        )
    rules.append(Rule(kind="total", label="Total dos produtos", amount=subtotal - discount))
    return Review(
        lines=lines,
        subtotal=subtotal,
        discount=discount,
        total=subtotal - discount,
        explanation=rules,
        coupon_refusal=quote.coupon_refusal if quote else refusal,
        unknown=unknown,
    )
