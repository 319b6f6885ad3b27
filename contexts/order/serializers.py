"""What the order endpoints accept. Answers are written in ``views.py``; the ``…Document`` classes describe them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from contexts.order.domain import Method
from contexts.order.models import ShipmentStatus
from ecommerce.money import Money

UF = "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()
CARD_NUMBER = re.compile(r"(?:\d[ -]?){13,19}")


class MoneySerializer(serializers.Serializer[Any]):
    """``{"amount": "10.00", "currency": "BRL"}``"""

    amount = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=Decimal(0))
    currency = serializers.ChoiceField(choices=["BRL"], default="BRL")

    def to_internal_value(self, data: Any) -> Money:
        value = super().to_internal_value(data)
        return Money(value["amount"], value["currency"])


class AddressSerializer(serializers.Serializer[Any]):
    recipient = serializers.CharField(max_length=150)
    cep = serializers.RegexField(r"^\d{8}$")
    street = serializers.CharField(max_length=200)
    number = serializers.CharField(max_length=20)
    complement = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    district = serializers.CharField(max_length=100)
    city = serializers.CharField(max_length=100)
    state = serializers.ChoiceField(choices=UF)
    ibge_code = serializers.RegexField(r"^(\d{7})?$", required=False, allow_blank=True, default="")


class PaymentSerializer(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=[method.value for method in Method])
    amount = MoneySerializer(required=False)
    instalments = serializers.IntegerField(min_value=1, max_value=99, default=1)
    card_token = serializers.CharField(max_length=120, required=False, default="")
    card_brand = serializers.CharField(max_length=20, required=False, default="")
    card_last4 = serializers.RegexField(r"^\d{4}$", required=False, default="")
    saved_card_id = serializers.UUIDField(required=False, default=None)
    voucher_code = serializers.CharField(max_length=60, required=False, default="")

    def validate_card_token(self, token: str) -> str:
        if CARD_NUMBER.fullmatch(token):
            raise serializers.ValidationError("Envie o token do gateway, nunca o número do cartão.", "card_number_refused")
        return token

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        by_card = attrs["method"] in (Method.CARD, Method.DEBIT_CARD)
        if by_card and not (attrs["card_token"] or attrs["saved_card_id"]):
            raise serializers.ValidationError({"card_token": "Informe card_token ou saved_card_id."}, "required")
        if attrs["method"] == Method.VOUCHER and not attrs["voucher_code"]:
            raise serializers.ValidationError({"voucher_code": "Informe o código do vale."}, "required")
        return attrs


class PayerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")
    tax_id = serializers.RegexField(r"^[0-9A-Z]{0,14}$", required=False, allow_blank=True, default="")


class PreviewSerializer(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()
    email = serializers.EmailField(required=False, default="")
    state = serializers.ChoiceField(choices=UF)
    shipping_method = serializers.SlugField(required=False, default=None)


class CheckoutSerializer(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()
    email = serializers.EmailField(required=False, default="")
    address = AddressSerializer(required=False, default=None)
    address_id = serializers.UUIDField(required=False, default=None)
    shipping_method = serializers.SlugField()
    payments = PaymentSerializer(many=True, allow_empty=True, max_length=30)
    payer = PayerSerializer(required=False, default=dict)
    expected_total = MoneySerializer()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["address"] is None) == (attrs["address_id"] is None):
            raise serializers.ValidationError({"address": "Informe address ou address_id."}, "required")
        return attrs


class CancelSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200)


class ShipmentLineSerializer(serializers.Serializer[Any]):
    line_id = serializers.UUIDField()
    quantity = serializers.IntegerField(min_value=1)


class ShipmentSerializer(serializers.Serializer[Any]):
    carrier = serializers.CharField(max_length=60)
    tracking_code = serializers.CharField(max_length=80)
    lines = ShipmentLineSerializer(many=True, required=False, default=None, max_length=200)


class TrackingEventSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=ShipmentStatus.choices)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    location = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    at = serializers.DateTimeField(required=False, default=None)


class ShippingRateSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["", *UF], default="")
    max_weight_grams = serializers.IntegerField(min_value=1, max_value=2_000_000_000)
    price = MoneySerializer()


class ShippingMethodSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    carrier = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")
    delivery_days = serializers.IntegerField(min_value=0, max_value=365, default=7)
    active = serializers.BooleanField(default=True)
    rates = ShippingRateSerializer(many=True, allow_empty=False, max_length=500)


class OrderLineDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    variant_id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    sku = serializers.CharField()
    name = serializers.CharField()
    options = serializers.DictField()
    quantity = serializers.IntegerField()
    shipped_quantity = serializers.IntegerField()
    unit_price = MoneySerializer()
    discount = MoneySerializer()
    total = MoneySerializer()


class PaymentDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    method = serializers.CharField()
    amount = MoneySerializer()
    instalments = serializers.IntegerField()
    status = serializers.CharField()
    decline_code = serializers.CharField()
    client_data = serializers.DictField()
    expires_at = serializers.DateTimeField(allow_null=True)


class OrderDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.CharField()
    placed_at = serializers.DateTimeField()
    email = serializers.EmailField()
    access_token = serializers.CharField(help_text="Para convidados: envie em X-Order-Token para ver o pedido.")
    lines = OrderLineDocument(many=True)
    items_total = MoneySerializer()
    shipping_total = MoneySerializer()
    discount_total = MoneySerializer()
    total = MoneySerializer()
    address = AddressSerializer()
    payments = PaymentDocument(many=True)


class OrderRowDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.CharField()
    total = MoneySerializer()
    placed_at = serializers.DateTimeField()


class OrderPageDocument(serializers.Serializer[Any]):
    results = OrderRowDocument(many=True)
    next = serializers.CharField(allow_null=True)
