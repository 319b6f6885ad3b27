"""What clients may send, checked; and what they get, described."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from contexts.identity.domain import CEP, IBGE_CODE, STATES, is_name, is_tax_id, normalized_tax_id
from contexts.identity.models import LOCALES, User
from contexts.identity.usecases import refuse_card_numbers

MAX_CARD = 10_000
"""Characters in which a card number is looked for: a megabyte of digits and spaces takes a second."""
PHONE = re.compile(r"\+?[0-9]{8,15}")
NO_NAME = "Informe só o nome, em uma linha e sem endereços."


def normalized_phone(text: str) -> str:
    """Return a phone number as digits, with the leading plus if there is one.

    Raises:
        ValueError: not 8 to 15 digits.
    """
    phone = re.sub(r"[\s().-]", "", text)
    if phone and not PHONE.fullmatch(phone):
        raise ValueError("Informe um telefone com 8 a 15 dígitos, como +55 11 98765-4321.")
    return phone


class SignupFields(forms.Form):
    """What signup takes beside e-mail and password; django-allauth builds its own form on it."""

    full_name = forms.CharField(max_length=150, required=False)
    phone = forms.CharField(max_length=30, required=False)
    locale = forms.ChoiceField(choices=LOCALES, required=False)
    newsletter = forms.BooleanField(required=False)
    marketing = forms.BooleanField(required=False)

    def clean_full_name(self) -> str:
        name: str = self.cleaned_data["full_name"]
        if not is_name(name):
            raise forms.ValidationError(NO_NAME, code="name_invalid")
        return name

    def clean_phone(self) -> str:
        try:
            return normalized_phone(self.cleaned_data["phone"])
        except ValueError as error:
            raise forms.ValidationError(str(error), code="phone_invalid") from error

    def clean_locale(self) -> str:
        return self.cleaned_data["locale"] or "pt-BR"

    def signup(self, request: HttpRequest, user: User) -> None:
        """allauth calls this after saving; the fields are stored with the account already."""


class NameField(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        name: str = super().to_internal_value(data)
        if not is_name(name):
            raise serializers.ValidationError(NO_NAME, code="name_invalid")
        return name


class PhoneField(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        try:
            return normalized_phone(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="phone_invalid") from error


class TaxIdField(serializers.CharField):
    """A CPF or CNPJ with or without punctuation; empty removes it."""

    def to_internal_value(self, data: Any) -> str:
        text = normalized_tax_id(super().to_internal_value(data))
        if text and not is_tax_id(text):
            raise serializers.ValidationError("Este CPF ou CNPJ não é válido.", code="tax_id_invalid")
        return text


class ProfileChangeSerializer(serializers.Serializer[Any]):
    full_name = NameField(max_length=150, allow_blank=True, required=False)
    phone = PhoneField(max_length=30, allow_blank=True, required=False)
    locale = serializers.ChoiceField(choices=LOCALES, required=False)
    tax_id = TaxIdField(max_length=20, allow_blank=True, required=False)
    newsletter = serializers.BooleanField(required=False)
    marketing = serializers.BooleanField(required=False)


class ProfileSchema(ProfileChangeSerializer):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    email_verified = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class CepField(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        digits = re.sub(r"[\s.-]", "", super().to_internal_value(data))
        if not CEP.fullmatch(digits):
            raise serializers.ValidationError("Um CEP tem oito dígitos.", code="cep_invalid")
        return digits


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "São Paulo",
            {
                "label": "Casa",
                "recipient": "Ana Souza",
                "cep": "01310-100",
                "street": "Avenida Paulista",
                "number": "1578",
                "complement": "ap. 42",
                "district": "Bela Vista",
                "city": "São Paulo",
                "state": "SP",
                "ibge_code": "3550308",
                "is_default": True,
            },
        )
    ]
)
class AddressSerializer(serializers.Serializer[Any]):
    """``is_default`` true makes it the default; false changes nothing, since some address stays the default."""

    label = serializers.CharField(  # type: ignore[assignment]
        max_length=40, allow_blank=True, required=False
    )
    recipient = serializers.CharField(max_length=150)
    cep = CepField(max_length=12)
    street = serializers.CharField(max_length=150)
    number = serializers.CharField(max_length=20)
    complement = serializers.CharField(max_length=100, allow_blank=True, required=False)
    district = serializers.CharField(max_length=100)
    city = serializers.CharField(max_length=100)
    state = serializers.ChoiceField(choices=STATES)
    ibge_code = serializers.RegexField(rf"^{IBGE_CODE.pattern}$", allow_blank=True, required=False)
    is_default = serializers.BooleanField(required=False)


class AddressSchema(AddressSerializer):
    id = serializers.UUIDField()
    country = serializers.CharField()
    created_at = serializers.DateTimeField()


class SavedCardSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=255)
    brand = serializers.CharField(max_length=20)
    last4 = serializers.RegexField(r"^[0-9]{4}$")
    expiry_month = serializers.IntegerField(min_value=1, max_value=12)
    expiry_year = serializers.IntegerField(min_value=2000, max_value=2100)
    is_default = serializers.BooleanField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        if len(str(data)) > MAX_CARD:
            raise serializers.ValidationError({"non_field_errors": ["São dados demais para um cartão."]}, "too_long")
        refuse_card_numbers(data)
        return super().to_internal_value(data)


class SavedCardSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    brand = serializers.CharField()
    last4 = serializers.CharField()
    expiry_month = serializers.IntegerField()
    expiry_year = serializers.IntegerField()
    is_default = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class SessionSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    ip = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    is_current = serializers.BooleanField()


class PlaceSchema(serializers.Serializer[Any]):
    cep = serializers.CharField()
    street = serializers.CharField()
    district = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    ibge_code = serializers.CharField()
