"""Serializer fields that every context needs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ecommerce.money import EXPONENTS, Money

MONEY_SCHEMA = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "string", "pattern": r"^-?\d{1,10}(\.\d{1,2})?$", "examples": ["129.90"]},
        "currency": {"type": "string", "enum": sorted(EXPONENTS), "default": "BRL"},
    },
}
MAX_AMOUNT = Decimal("9999999999.99")


class EmailField(serializers.EmailField):
    """An e-mail in small letters: what is checked is what is kept. Some letters grow by that."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        return text.lower()


@extend_schema_field(MONEY_SCHEMA, component_name="Money")
class MoneyField(serializers.Field[Money, Any, dict[str, str], Any]):
    """``{"amount": "129.90", "currency": "BRL"}`` ↔ :class:`Money`. No JSON numbers: they lose cents.

    ``only`` names the one currency that is taken; empty: any that we know.
    """

    default_error_messages = {
        "not_money": 'Informe {{"amount": "129.90", "currency": "BRL"}}.',
        "not_text": 'O valor deve ser um texto decimal, como "129.90".',
        "negative": "O valor não pode ser negativo.",
        "currency": "O valor é em {only}.",
    }

    def __init__(self, *, allow_negative: bool = False, only: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allow_negative, self.only = allow_negative, only

    def to_internal_value(self, data: Any) -> Money:
        if not isinstance(data, Mapping) or "amount" not in data:
            self.fail("not_money")
        if not isinstance(data["amount"], str):
            self.fail("not_text")
        try:
            money = Money(Decimal(data["amount"]), data.get("currency", "BRL"))
        except (InvalidOperation, ValueError, TypeError):
            self.fail("not_money")
        if abs(money.amount) > MAX_AMOUNT:
            self.fail("not_money")
        if money.amount < 0 and not self.allow_negative:
            self.fail("negative")
        if self.only not in ("", money.currency):
            self.fail("currency", only=self.only)
        return money

    def to_representation(self, value: Money) -> dict[str, str]:
        return {"amount": str(value.amount), "currency": value.currency}
