"""What clients may send, checked; what they get, as plain data and described."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from contexts.cart.domain import events
from contexts.cart.domain.review import Review
from contexts.cart.domain.rules import MAX_LINES, MAX_QUANTITY
from contexts.cart.domain.state import CartState
from contexts.cart.models import Cart
from ecommerce.http.serializers import EmailField, MoneyField

# --- in --------------------------------------------------------------------------------------------------------------


class LineInput(serializers.Serializer[Any]):
    variant_id = serializers.UUIDField()
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, default=1)


class CartInput(serializers.Serializer[Any]):
    lines = LineInput(many=True, required=False, max_length=MAX_LINES)  # type: ignore[call-arg]


class QuantityInput(serializers.Serializer[Any]):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)


class CouponInput(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=64)


class ContactInput(serializers.Serializer[Any]):
    """An empty ``email`` is fine for a customer, who is known by account."""

    email = EmailField(max_length=254, allow_blank=True, default="")
    marketing_consent = serializers.BooleanField(default=False)


class MergeInput(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField(help_text="O carrinho que termina; seus itens vêm para este.")
    token = serializers.CharField(max_length=100, allow_blank=True, default="", help_text="O token daquele carrinho.")


class RecoveryInput(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=500, help_text="O que o link do lembrete traz.")


# --- out: data -------------------------------------------------------------------------------------------------------


def cart_body(cart: Cart, **extra: Any) -> dict[str, Any]:
    """Return a cart as its row has it: prices as the customer saw them, no discounts."""
    state = cart.state
    return {
        **_head(state),
        "lines": [{**_line(line), "total": line.total} for line in state.lines],
        "coupon": {"code": state.coupon_code} if state.coupon_code else None,
        "totals": {"subtotal": state.subtotal},
        **extra,
    }


def review_body(cart: Cart, review: Review) -> dict[str, Any]:
    """Return a cart as it would be bought now."""
    state = cart.state
    return {
        **_head(state),
        "lines": [
            {
                **_line(reviewed.line),
                "current_price": reviewed.current_price,
                "available": reviewed.available,
                "issues": reviewed.issues,
                "discount": reviewed.discount,
                "total": reviewed.total,
            }
            for reviewed in review.lines
        ],
        "coupon": {"code": state.coupon_code, "refusal": review.coupon_refusal} if state.coupon_code else None,
        "totals": {
            "seen_subtotal": state.subtotal,
            "subtotal": review.subtotal,
            "discount": review.discount,
            "total": review.total,
        },
        "explanation": review.explanation,
        "unknown": review.unknown,
        "ready_for_checkout": state.is_open and review.ready_for_checkout,
    }


def event_body(recorded: events.Recorded) -> dict[str, Any]:
    """Return an event for its cart's owner: without secrets, and the actor by kind only."""
    secrets = recorded.event.secrets
    data = events.to_data(recorded.event)
    return {
        "version": recorded.version,
        "type": recorded.event.type,
        "at": recorded.at,
        "actor": recorded.actor.partition(":")[0],
        "data": {name: value for name, value in data.items() if name not in secrets},
    }


def merge_body(cart: Cart, merged: events.CartMerged) -> dict[str, Any]:
    """Return the target of a merge with the report: every line of the source, what was capped, what costs more."""
    return cart_body(
        cart,
        merge={
            "strategy": merged.strategy,
            "source_cart_id": merged.source_cart_id,
            "lines": merged.outcomes,
            "capped": [str(outcome.variant_id) for outcome in merged.outcomes if outcome.cap],
            "price_changes": [
                str(outcome.variant_id) for outcome in merged.outcomes if outcome.seen_price != outcome.price
            ],
        },
    )


def _head(state: CartState) -> dict[str, Any]:
    return {
        "id": state.id,
        "version": state.version,
        "status": state.status,
        "currency": state.currency,
        "customer_id": state.customer_id,
        "contact": {"email": state.email, "marketing_consent": state.marketing_consent},
        "pieces": state.pieces,
        "order_id": state.converted_order_id,
        "merged_into": state.merged_into_id,
        "created_at": state.created_at,
        "last_activity_at": state.last_activity_at,
    }


def _line(line: Any) -> dict[str, Any]:
    return {
        "variant_id": line.variant_id,
        "product_id": line.product_id,
        "sku": line.sku,
        "name": line.name,
        "slug": line.slug,
        "options": line.options,
        "image_url": line.image_url,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
    }


# --- out: description ------------------------------------------------------------------------------------------------


class CartLineSchema(serializers.Serializer[Any]):
    variant_id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    sku = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    image_url = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyField(help_text="Como o cliente o viu quando a linha mudou pela última vez.")
    total = MoneyField()


class ReviewedLineSchema(CartLineSchema):
    current_price = MoneyField()
    available = serializers.IntegerField(allow_null=True)
    issues = serializers.ListField(child=serializers.ChoiceField(["price_changed", "out_of_stock", "unavailable"]))
    discount = MoneyField()


class ContactSchema(serializers.Serializer[Any]):
    email = serializers.CharField()
    marketing_consent = serializers.BooleanField()


class CouponSchema(serializers.Serializer[Any]):
    code = serializers.CharField()


class ReviewedCouponSchema(CouponSchema):
    refusal = serializers.CharField(help_text="Por que não desconta nada agora; vazio se desconta.")


class TotalsSchema(serializers.Serializer[Any]):
    subtotal = MoneyField()


class ReviewedTotalsSchema(TotalsSchema):
    seen_subtotal = MoneyField()
    discount = MoneyField()
    total = MoneyField(help_text="Dos produtos, sem frete.")


class RuleSchema(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["line", "discount", "total"])
    label = serializers.CharField()  # type: ignore[assignment]
    amount = MoneyField(allow_negative=True)
    reference = serializers.CharField(help_text="A variante ou o desconto.")


class CartHeadSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="Também o ETag.")
    status = serializers.ChoiceField(["open", "converted", "expired", "merged"])
    currency = serializers.CharField()
    customer_id = serializers.UUIDField(allow_null=True)
    contact = ContactSchema()
    pieces = serializers.IntegerField()
    order_id = serializers.UUIDField(allow_null=True)
    merged_into = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_activity_at = serializers.DateTimeField()


class CartSchema(CartHeadSchema):
    lines = CartLineSchema(many=True)
    coupon = CouponSchema(allow_null=True)
    totals = TotalsSchema()


class CartWithTokenSchema(CartSchema):
    token = serializers.CharField(help_text="Envie em X-Cart-Token. Mostrado uma única vez.")


class CartReviewSchema(CartHeadSchema):
    lines = ReviewedLineSchema(many=True)
    coupon = ReviewedCouponSchema(allow_null=True)
    totals = ReviewedTotalsSchema()
    explanation = RuleSchema(many=True, help_text="Por que o total é o que é, passo a passo.")
    unknown = serializers.ListField(
        child=serializers.ChoiceField(["stock", "discounts"]), help_text="O que não pôde ser consultado agora."
    )
    ready_for_checkout = serializers.BooleanField()


class MergeOutcomeSchema(serializers.Serializer[Any]):
    variant_id = serializers.UUIDField()
    name = serializers.CharField()
    requested = serializers.IntegerField()
    quantity = serializers.IntegerField()
    cap = serializers.ChoiceField(["", "stock", "quantity_limit", "line_limit", "unavailable"])
    seen_price = MoneyField()
    price = MoneyField()


class MergeSchema(serializers.Serializer[Any]):
    strategy = serializers.ChoiceField(["sum_capped"])
    source_cart_id = serializers.UUIDField()
    lines = MergeOutcomeSchema(many=True)
    capped = serializers.ListField(child=serializers.UUIDField())
    price_changes = serializers.ListField(child=serializers.UUIDField())


class MergedCartSchema(CartSchema):
    merge = MergeSchema()


class CartEventSchema(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    type = serializers.CharField()
    at = serializers.DateTimeField()
    actor = serializers.ChoiceField(["customer", "guest", "order", "system"])
    data = serializers.DictField()  # type: ignore[assignment]
