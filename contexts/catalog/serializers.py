"""What the REST interface takes in, and the shapes that its documentation shows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from contexts.catalog.domain.options import MAX_OPTIONS, MAX_VALUES, Option
from contexts.catalog.models import MovementKind, ReviewStatus
from contexts.catalog.queries.listing import SORTS, ProductFilters
from contexts.catalog.usecases.products import NewProduct, NewVariant, Picture
from contexts.catalog.usecases.stock import STAFF_KINDS
from ecommerce.http.serializers import MoneyField

MAX_WORDS = 200
MAX_BULK = 1_000
LONGEST_AMOUNT = 12
"""Digits before or after the decimal point."""
TRUE, FALSE = ("1", "true"), ("0", "false")
CURRENCY = "BRL"
"""The one in which orders are made."""


def filters_from(query: QueryDict) -> tuple[ProductFilters, str]:
    """Read the query string of a product list; return the filters and the sort. Written by hand: it runs on each page.

    Raises:
        ValidationError
    """
    faults: dict[str, list[str]] = {}
    words = " ".join(query.get("q", "").split())[:MAX_WORDS]
    sort = query.get("sort") or ("relevance" if words else "-created_at")
    if sort not in SORTS or sort == "similarity" or (sort == "relevance" and not words):
        faults["sort"] = ["Ordenação desconhecida."]
    available = query.get("available", "").lower()
    if available not in ("", *TRUE, *FALSE):
        faults["available"] = ["Deve ser true ou false."]
    filters = ProductFilters(
        category=query.get("category", ""),
        words=words,
        price_min=_amount(query, "price_min", faults),
        price_max=_amount(query, "price_max", faults),
        available=available in TRUE if available else None,
        brands=[brand for brand in query.getlist("brand") if brand],
        rating_min=_amount(query, "rating_min", faults),
    )
    if faults:
        raise serializers.ValidationError(faults)
    return filters, sort


def _amount(query: Mapping[str, str], name: str, faults: dict[str, list[str]]) -> Decimal | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        amount = Decimal(text)
        if amount.is_finite() and amount.adjusted() <= LONGEST_AMOUNT and _decimals(amount) <= LONGEST_AMOUNT:
            return amount
    except InvalidOperation:
        pass
    faults[name] = ["Deve ser um número decimal, como 129.90."]
    return None


def _decimals(amount: Decimal) -> int:
    return -int(amount.as_tuple().exponent)


class OptionSerializer(serializers.Serializer[Option]):
    name = serializers.CharField(max_length=60)
    values = serializers.ListField(child=serializers.CharField(max_length=80), min_length=1, max_length=MAX_VALUES)

    def to_internal_value(self, data: Any) -> Any:
        given = super().to_internal_value(data)
        return Option(name=given["name"], values=tuple(given["values"]))


class PictureSerializer(serializers.Serializer[Picture]):
    path = serializers.CharField(max_length=500, help_text="Relative to the media folder, or a whole URL.")
    alt = serializers.CharField(max_length=200, required=False, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        return Picture(**super().to_internal_value(data))


class VariantFieldsSerializer(serializers.Serializer[Any]):
    """What may be changed of a variant by PATCH; the price has its own address."""

    sku = serializers.CharField(max_length=80, required=False)
    options = serializers.DictField(child=serializers.CharField(max_length=80), required=False)
    compare_at_price = MoneyField(only=CURRENCY, required=False, allow_null=True)
    weight_grams = serializers.IntegerField(min_value=0, max_value=10**9, required=False)
    length_mm = serializers.IntegerField(min_value=0, max_value=10**6, required=False)
    width_mm = serializers.IntegerField(min_value=0, max_value=10**6, required=False)
    height_mm = serializers.IntegerField(min_value=0, max_value=10**6, required=False)
    barcode = serializers.CharField(max_length=40, required=False, allow_blank=True)
    active = serializers.BooleanField(required=False)


class VariantPatchSerializer(VariantFieldsSerializer):
    position = serializers.IntegerField(min_value=0, max_value=10_000, required=False)


class NewVariantSerializer(VariantFieldsSerializer):
    sku = serializers.CharField(max_length=80)
    price = MoneyField(only=CURRENCY)

    def to_internal_value(self, data: Any) -> Any:
        return NewVariant(**super().to_internal_value(data))


class ProductFieldsSerializer(serializers.Serializer[Any]):
    """What may be changed of a product by PATCH; ``options`` and ``media`` are replaced as a whole.

    Never read as ``partial``: that would reach into these and let half an option through.
    """

    name = serializers.CharField(max_length=200, required=False)
    category_id = serializers.UUIDField(required=False)
    slug = serializers.SlugField(max_length=200, required=False)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    brand = serializers.CharField(max_length=120, required=False, allow_blank=True)
    attributes = serializers.DictField(required=False)
    seo_title = serializers.CharField(max_length=120, required=False, allow_blank=True)
    seo_description = serializers.CharField(max_length=320, required=False, allow_blank=True)
    on_sale = serializers.BooleanField(required=False)
    options = serializers.ListField(child=OptionSerializer(), required=False, max_length=MAX_OPTIONS)
    media = serializers.ListField(child=PictureSerializer(), required=False, max_length=50)


class NewProductSerializer(ProductFieldsSerializer):
    name = serializers.CharField(max_length=200)
    category_id = serializers.UUIDField()
    variants = serializers.ListField(child=NewVariantSerializer(), required=False, max_length=200)

    def to_internal_value(self, data: Any) -> Any:
        return NewProduct(**super().to_internal_value(data))


class PriceSerializer(serializers.Serializer[Any]):
    price = MoneyField(only=CURRENCY)


class PriceRowSerializer(PriceSerializer):
    sku = serializers.CharField(max_length=80, required=False)
    variant_id = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("sku" in attrs) == ("variant_id" in attrs):
            raise serializers.ValidationError("Informe sku ou variant_id.")
        return attrs


class StockRowSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(max_length=80, required=False)
    variant_id = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=[kind.value for kind in STAFF_KINDS])
    quantity = serializers.IntegerField(min_value=-1_000_000, max_value=1_000_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("sku" in attrs) == ("variant_id" in attrs):
            raise serializers.ValidationError("Informe sku ou variant_id.")
        if attrs["quantity"] == 0 or (attrs["quantity"] < 0 and attrs["kind"] != MovementKind.ADJUST):
            raise serializers.ValidationError(
                {"quantity": "Só um ajuste pode ser negativo, e nenhum movimento é zero."}
            )
        return attrs


class StockMovementsSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    movements = serializers.ListField(child=StockRowSerializer(), min_length=1, max_length=MAX_BULK)


class NewReviewSerializer(serializers.Serializer[Any]):
    author_name = serializers.CharField(max_length=80)
    rating = serializers.IntegerField(min_value=1, max_value=5)
    title = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    body = serializers.CharField(max_length=4_000, required=False, allow_blank=True, default="")


# --- shapes for the documentation ------------------------------------------------------------------------------------
class ImageShape(serializers.Serializer[Any]):
    url = serializers.CharField()
    alt = serializers.CharField()


class RatingShape(serializers.Serializer[Any]):
    average = serializers.FloatField()
    count = serializers.IntegerField()


class CategoryShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class ProductCardShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    brand = serializers.CharField()
    category = CategoryShape()
    price = MoneyField(help_text="Of the cheapest variant.")
    price_max = MoneyField()
    compare_at_price = MoneyField(allow_null=True)
    image = ImageShape(allow_null=True)
    available = serializers.BooleanField()
    rating = RatingShape()
    variant_id = serializers.UUIDField(allow_null=True, help_text="Of a product with a single variant.")


class FacetShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()


class CategoryFacetShape(CategoryShape):
    count = serializers.IntegerField()


class PriceFacetShape(serializers.Serializer[Any]):
    min = serializers.CharField()
    max = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()


class FacetsShape(serializers.Serializer[Any]):
    categories = CategoryFacetShape(many=True)
    brands = FacetShape(many=True)
    prices = PriceFacetShape(many=True)


class ProductPageShape(serializers.Serializer[Any]):
    results = ProductCardShape(many=True)
    next = serializers.URLField(allow_null=True)
    facets = FacetsShape(required=False)


class VariantShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sku = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    barcode = serializers.CharField()
    weight_grams = serializers.IntegerField()
    price = MoneyField()
    compare_at_price = MoneyField(allow_null=True)


class AttributeShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    value = serializers.JSONField()


class SeoShape(serializers.Serializer[Any]):
    title = serializers.CharField()
    description = serializers.CharField()


class OptionShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    values = serializers.ListField(child=serializers.CharField())


class ProductDetailShape(ProductCardShape):
    description = serializers.CharField()
    version = serializers.IntegerField()
    breadcrumbs = CategoryShape(many=True)
    images = ImageShape(many=True)
    options = OptionShape(many=True)
    variants = VariantShape(many=True)
    attributes = AttributeShape(many=True)
    seo = SeoShape()
    stock = serializers.DictField(child=serializers.IntegerField(), help_text="Free pieces by variant id, right now.")


class StaffVariantShape(NewVariantSerializer):
    id = serializers.UUIDField()
    position = serializers.IntegerField()
    on_hand = serializers.IntegerField()
    reserved = serializers.IntegerField()


class StaffProductShape(ProductFieldsSerializer):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    variants = StaffVariantShape(many=True)


class CategoryNodeShape(CategoryShape):
    seo = SeoShape()
    children = serializers.ListField(child=serializers.DictField(), help_text="Nodes of the same shape.")


class ReviewShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    rating = serializers.IntegerField()
    title = serializers.CharField()
    body = serializers.CharField()
    author_name = serializers.CharField()
    verified_purchase = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class ReviewPageShape(serializers.Serializer[Any]):
    results = ReviewShape(many=True)
    next = serializers.URLField(allow_null=True)


class StaffReviewShape(ReviewShape):
    product_id = serializers.UUIDField()
    product_name = serializers.CharField()
    status = serializers.ChoiceField(choices=ReviewStatus.choices)


class StaffReviewPageShape(serializers.Serializer[Any]):
    results = StaffReviewShape(many=True)
    next = serializers.URLField(allow_null=True)


class RejectionShape(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="Counts from 0, as the rows of the request.")
    code = serializers.CharField()
    detail = serializers.CharField()


class PriceReportShape(serializers.Serializer[Any]):
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectionShape(many=True)


class StockChangeShape(serializers.Serializer[Any]):
    variant_id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    before = serializers.IntegerField(help_text="Free pieces before.")
    after = serializers.IntegerField(help_text="Free pieces after.")


class ImportRejectionShape(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="In the file; the header is line 1.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportReportShape(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Rows of the file.")
    products = serializers.IntegerField()
    variants = serializers.IntegerField()
    rejected = ImportRejectionShape(many=True)
