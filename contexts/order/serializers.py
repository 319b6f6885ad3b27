"""What the order endpoints accept. ``views/documents.py`` writes answers; the ``…Schema`` classes describe them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from rest_framework import serializers

from contexts.order.domain import Method, Status, normalized_tax_id
from contexts.order.domain.instalments import Bearer
from contexts.order.domain.returns import Reason, ReturnStatus
from contexts.order.models import CURRENCY, AttemptStatus, RefundOrigin, RefundStatus, ShipmentStatus
from ecommerce.cards import holds_card_number
from ecommerce.http.serializers import EmailField, MoneyField

UF = "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()  # noqa: SIM905
NO_NUMBERS = "Envie o token do gateway, nunca o número do cartão."
MOST_PAYMENTS = 30


class AddressSerializer(serializers.Serializer[Any]):
    recipient = serializers.CharField(max_length=150)
    cep = serializers.RegexField(r"^[0-9]{8}$")
    street = serializers.CharField(max_length=200)
    number = serializers.CharField(max_length=20)
    complement = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    district = serializers.CharField(max_length=100)
    city = serializers.CharField(max_length=100)
    state = serializers.ChoiceField(choices=UF)
    ibge_code = serializers.RegexField(r"^[0-9]{7}$", required=False, allow_blank=True, default="")


class PaymentSerializer(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=[method.value for method in Method])
    amount = MoneyField(required=False)
    instalments = serializers.IntegerField(min_value=1, max_value=99, default=1)
    card_token = serializers.CharField(max_length=120, required=False, default="")
    card_brand = serializers.CharField(max_length=20, required=False, default="")
    card_last4 = serializers.RegexField(r"^[0-9]{4}$", required=False, default="")
    saved_card_id = serializers.UUIDField(required=False, default=None, allow_null=True)
    voucher_code = serializers.CharField(max_length=60, required=False, default="")

    def validate_card_token(self, token: str) -> str:
        return _without_card_number(token)

    def validate_card_brand(self, brand: str) -> str:
        return _without_card_number(brand)

    def validate_voucher_code(self, code: str) -> str:
        return _without_card_number(code)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        by_card = attrs["method"] in (Method.CARD, Method.DEBIT_CARD)
        if by_card and not (attrs["card_token"] or attrs["saved_card_id"]):
            raise serializers.ValidationError({"card_token": "Informe card_token ou saved_card_id."}, "required")
        if attrs["method"] == Method.VOUCHER and not attrs["voucher_code"]:
            raise serializers.ValidationError({"voucher_code": "Informe o código do vale."}, "required")
        return attrs


def _without_card_number(text: str) -> str:
    if holds_card_number(text):
        raise serializers.ValidationError(NO_NUMBERS, "card_number_refused")
    return text


class PayerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")
    tax_id = serializers.CharField(
        max_length=18, required=False, allow_blank=True, default="", help_text="CPF ou CNPJ; obrigatório para boleto."
    )

    def validate_tax_id(self, tax_id: str) -> str:
        return normalized_tax_id(tax_id)


class NewPaymentSerializer(PaymentSerializer):
    amount = MoneyField(required=False, help_text="O que falta pagar; sem ele, é isso mesmo.")
    expected_total = MoneyField(
        required=False, default=None, allow_null=True,
        help_text="Tudo com que o cliente concordou: o que falta mais os juros do parcelamento. "
        "Sem juros, não é preciso. Se não é isso, nada é cobrado.",
    )  # fmt: skip
    payer = PayerSerializer(required=False, default={"name": "", "tax_id": ""})
    return_url = serializers.URLField(max_length=500, required=False, default="")

    def validate_return_url(self, url: str) -> str:
        return checked_return_url(url)


class PreviewSerializer(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()
    email = EmailField(max_length=254, required=False, allow_blank=True, default="")
    state = serializers.ChoiceField(choices=UF)
    shipping_method = serializers.SlugField(required=False, default=None, allow_null=True)
    card_amount = MoneyField(
        required=False, default=None, allow_null=True,
        help_text="A parte no cartão, quando há outros meios: as parcelas são as desta parte. Sem ela, do total.",
    )  # fmt: skip


class CheckoutSerializer(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()
    email = EmailField(max_length=254, required=False, allow_blank=True, default="")
    address = AddressSerializer(required=False, default=None, allow_null=True)
    address_id = serializers.UUIDField(required=False, default=None, allow_null=True)
    shipping_method = serializers.SlugField()
    payments = serializers.ListField(child=PaymentSerializer(), allow_empty=True, max_length=MOST_PAYMENTS)
    payer = PayerSerializer(required=False, default={"name": "", "tax_id": ""})
    expected_total = MoneyField(
        help_text="Tudo com que o cliente concordou: o total que viu mais os juros do parcelamento. "
        "Se mudou, nada é cobrado."
    )
    return_url = serializers.URLField(
        max_length=500, required=False, default="",
        help_text="Para onde o navegador volta depois da autenticação no banco (3-D Secure): uma página da loja.",
    )  # fmt: skip

    def validate_return_url(self, url: str) -> str:
        return checked_return_url(url)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["address"] is None) == (attrs["address_id"] is None):
            raise serializers.ValidationError({"address": "Informe address ou address_id."}, "required")
        return attrs


class CancelSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200)


class ShipmentLineSerializer(serializers.Serializer[Any]):
    line_id = serializers.UUIDField()
    quantity = serializers.IntegerField(min_value=1)


class RefundSerializer(serializers.Serializer[Any]):
    lines = serializers.ListField(child=ShipmentLineSerializer(), min_length=1, max_length=200)
    freight = serializers.BooleanField(default=True, help_text="Devolve também a parte das peças no frete.")
    restock = serializers.BooleanField(default=True, help_text="As peças podem ser vendidas de novo.")
    reason = serializers.CharField(max_length=200)

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return each_once(lines)


class ReturnSerializer(serializers.Serializer[Any]):
    lines = serializers.ListField(child=ShipmentLineSerializer(), min_length=1, max_length=200)
    reason = serializers.ChoiceField(
        choices=[reason.value for reason in Reason],
        help_text="withdrawal: o direito de arrependimento, até sete dias depois da entrega, sem outro motivo.",
    )
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return each_once(lines)


class ShipmentSerializer(serializers.Serializer[Any]):
    carrier = serializers.CharField(max_length=60)
    tracking_code = serializers.CharField(max_length=80)
    lines = serializers.ListField(
        child=ShipmentLineSerializer(), required=False, default=None, max_length=200,
        help_text="Sem linhas: tudo que falta enviar.",
    )  # fmt: skip

    def validate_lines(self, lines: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        return lines and each_once(lines)


class TrackingEventSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=ShipmentStatus.choices)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    location = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    at = serializers.DateTimeField(required=False, default=None)


class ShippingRateSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["", *UF], default="")
    max_weight_grams = serializers.IntegerField(min_value=1, max_value=2_000_000_000)
    price = MoneyField(only=CURRENCY)


class ShippingMethodSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    carrier = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")
    delivery_days = serializers.IntegerField(min_value=0, max_value=365, default=7)
    active = serializers.BooleanField(default=True)
    rates = serializers.ListField(child=ShippingRateSerializer(), allow_empty=False, max_length=500)


def each_once(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len({line["line_id"] for line in lines}) != len(lines):
        raise serializers.ValidationError("Cada item aparece uma vez.", "duplicate_line")
    return lines


def checked_return_url(url: str) -> str:
    if url and not _is_ours(url):
        raise serializers.ValidationError("Este endereço não é da loja.", "foreign_url")
    return url


def _is_ours(url: str) -> bool:
    """Tell whether a URL leads to this installation or to a frontend that may call it."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    shop = [settings.PUBLIC_URL, settings.STOREFRONT_URL, *settings.CORS_ALLOWED_ORIGINS]
    patterns: list[str] = getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", [])
    return origin in {address.rstrip("/") for address in shop} or any(re.fullmatch(p, origin) for p in patterns)


class OrderLineSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    variant_id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    sku = serializers.CharField()
    name = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    image_url = serializers.CharField()
    quantity = serializers.IntegerField()
    shipped_quantity = serializers.IntegerField()
    refunded_quantity = serializers.IntegerField()
    returnable_quantity = serializers.IntegerField(help_text="Peças entregues que podem ser devolvidas.")
    unit_price = MoneyField()
    discount = MoneyField()
    total = MoneyField()


class CardSchema(serializers.Serializer[Any]):
    brand = serializers.CharField()
    last4 = serializers.CharField()


class CodesSchema(serializers.Serializer[Any]):
    """Links that open without login while the payment is open; absent without such a code."""

    qr_png = serializers.URLField(required=False)
    qr_svg = serializers.URLField(required=False)
    boleto = serializers.URLField(required=False)


class PaymentSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    method = serializers.ChoiceField(choices=[method.value for method in Method])
    amount = MoneyField(help_text="A parte do total do pedido.")
    interest = MoneyField(help_text="Juros do parcelamento, por conta do cliente.")
    charged = MoneyField(help_text="O que o cliente paga: amount e interest.")
    instalments = serializers.IntegerField()
    status = serializers.ChoiceField(choices=AttemptStatus.values)
    decline_code = serializers.CharField()
    client_data = serializers.DictField(
        child=serializers.CharField(), help_text="Linha digitável, código Pix ou redirect_url, conforme o meio."
    )
    codes = CodesSchema()
    expires_at = serializers.DateTimeField(allow_null=True)
    card = CardSchema()


class OrderSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    placed_at = serializers.DateTimeField()
    email = serializers.EmailField()
    access_token = serializers.CharField(help_text="Para convidados: envie em X-Order-Token. Vazio para a equipe.")
    cart_id = serializers.UUIDField()
    lines = OrderLineSchema(many=True)
    items_total = MoneyField()
    shipping_total = MoneyField()
    discount_total = MoneyField()
    total = MoneyField()
    address = AddressSerializer()
    shipping = serializers.DictField()
    coupon = serializers.DictField(allow_null=True)
    payments = PaymentSchema(many=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.CharField()
    delivered_at = serializers.DateTimeField(allow_null=True)


class PreviewLineSchema(serializers.Serializer[Any]):
    variant_id = serializers.UUIDField()
    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    available = serializers.IntegerField()
    unit_price = MoneyField()
    discount = MoneyField()
    total = MoneyField()


class ShippingOptionSchema(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    carrier = serializers.CharField()
    delivery_days = serializers.IntegerField()
    price = MoneyField()


class InstalmentOptionSchema(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    first = MoneyField(help_text="A primeira parcela: leva os centavos que não se dividem.")
    others = MoneyField(help_text="Cada uma das outras parcelas.")
    interest = MoneyField()
    total = MoneyField(help_text="A parte no cartão mais os juros.")
    monthly_rate = serializers.DecimalField(max_digits=7, decimal_places=4, help_text="Juros ao mês, em %.")
    bearer = serializers.ChoiceField(choices=[bearer.value for bearer in Bearer])


class PreviewSchema(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()
    cart_version = serializers.IntegerField()
    lines = PreviewLineSchema(many=True)
    discounts = serializers.ListField(child=serializers.DictField())
    coupon_refusal = serializers.CharField(help_text="Por que o cupom não se aplica; vazio se se aplica.")
    shipping_options = ShippingOptionSchema(many=True)
    instalment_options = InstalmentOptionSchema(many=True)
    items_total = MoneyField()
    shipping_total = MoneyField()
    discount_total = MoneyField()
    total = MoneyField()


class TrackedEventSchema(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=ShipmentStatus.values)
    description = serializers.CharField()
    location = serializers.CharField()
    at = serializers.DateTimeField()


class ParcelSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    carrier = serializers.CharField()
    tracking_code = serializers.CharField()
    status = serializers.ChoiceField(choices=ShipmentStatus.values)
    shipped_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    events = TrackedEventSchema(many=True)


class StateSchema(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    at = serializers.DateTimeField()


class TrackingSchema(serializers.Serializer[Any]):
    order_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    shipments = ParcelSchema(many=True)
    timeline = StateSchema(many=True)


class ShipmentSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    tracking_code = serializers.CharField()


class RefundedLineSchema(serializers.Serializer[Any]):
    line_id = serializers.UUIDField()
    quantity = serializers.IntegerField()
    amount = MoneyField()
    freight = MoneyField(help_text="A parte das peças no frete.")


class RefundSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    origin = serializers.ChoiceField(choices=RefundOrigin.choices)
    status = serializers.ChoiceField(choices=RefundStatus.choices)
    amount = MoneyField(help_text="Tudo que volta: as peças, o frete e os juros que lhes cabem.")
    reason = serializers.CharField()
    restock = serializers.BooleanField()
    requested_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)
    lines = RefundedLineSchema(many=True)


class RefundsSchema(serializers.Serializer[Any]):
    results = RefundSchema(many=True)


class ReturnedLineSchema(serializers.Serializer[Any]):
    line_id = serializers.UUIDField()
    quantity = serializers.IntegerField()


class ReturnSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=[status.value for status in ReturnStatus],
        help_text="closed: terminou sem reembolso, porque nada tinha sido pago pelas peças.",
    )
    reason = serializers.ChoiceField(choices=[reason.value for reason in Reason])
    note = serializers.CharField()
    freight = serializers.BooleanField(help_text="Devolve também a parte das peças no frete.")
    answer = serializers.CharField(help_text="Como enviar as peças, ou por que foi recusada.")
    requested_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    refund_id = serializers.UUIDField(allow_null=True)
    lines = ReturnedLineSchema(many=True)


class ReturnsSchema(serializers.Serializer[Any]):
    results = ReturnSchema(many=True)


class OfferSchema(serializers.Serializer[Any]):
    missing = MoneyField(help_text="O que falta pagar.")
    instalment_options = InstalmentOptionSchema(many=True)


class OrderRowSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    total = MoneyField()
    placed_at = serializers.DateTimeField()


class SalesRowSchema(serializers.Serializer[Any]):
    day = serializers.DateField()
    orders = serializers.IntegerField()
    pieces = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=14, decimal_places=2)
    cancelled_orders = serializers.IntegerField()
    interest = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="Juros pagos pelos clientes.")
    refunded = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="Devolvido de pedidos mantidos.")


class SalesSchema(serializers.Serializer[Any]):
    results = SalesRowSchema(many=True)


class ReceivedSchema(serializers.Serializer[Any]):
    received = serializers.BooleanField(help_text="false: este aviso já tinha chegado.")
