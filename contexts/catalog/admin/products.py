"""Products with their variants and images, categories, attributes and prices."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import display

from contexts.catalog.admin.pages import CatalogAdmin, ReadOnlyAdmin
from contexts.catalog.domain.attributes import attribute_faults
from contexts.catalog.models import (
    AttributeDefinition,
    BestSeller,
    Category,
    Media,
    PriceChange,
    Product,
    ProductOption,
    Stock,
    Variant,
)
from contexts.catalog.queries.products import state_of
from contexts.catalog.usecases.categories import hold_category, locked_tree, place_category
from contexts.catalog.usecases.prices import apply_prices
from contexts.catalog.usecases.products import (
    announce,
    check_variants,
    definitions,
    locked_version,
    put_on_sale,
    remove_products,
)
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce import clock
from ecommerce.admin import SAFE_METHODS, Coloured, changed_columns


class ProductForm(ModelForm):  # type: ignore[type-arg]
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    """The state that the page showed. It is read before the variants: what changes in between is noticed."""

    class Meta:
        model = Product
        fields = "__all__"  # noqa: DJ007 - the admin's fieldsets choose

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["seen"] = state_of(self.instance)

    def clean_attributes(self) -> dict[str, Any]:
        attributes = self.cleaned_data["attributes"] or {}
        if faults := dict(attribute_faults(attributes, definitions())):
            raise forms.ValidationError([f"{code}: {fault}" for code, fault in faults.items()])
        return dict(attributes)


class OptionInline(TabularInline):
    model = ProductOption
    extra = 0
    tab = True
    fields: ClassVar[list[str]] = ["name", "values", "position"]


class VariantInline(TabularInline):
    """Variants are never deleted here: an order may hold them. Take the tick from "active" instead."""

    model = Variant
    extra = 0
    tab = True
    can_delete = False
    fields: ClassVar[list[str]] = [
        "sku", "options", "price", "compare_at_price", "pieces", "weight_grams", "barcode", "position", "active",
    ]  # fmt: skip
    readonly_fields: ClassVar[list[str]] = ["pieces"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        queryset: QuerySet[Variant] = super().get_queryset(request)
        return queryset.filter(deleted_at__isnull=True).select_related("stock")

    @admin.display(description="livres / em estoque")
    def pieces(self, variant: Variant) -> str:
        if not hasattr(variant, "stock"):
            return "–"
        return f"{variant.stock.available} / {variant.stock.on_hand}"


class MediaInline(TabularInline):
    model = Media
    extra = 0
    tab = True
    fields: ClassVar[list[str]] = ["path", "alt", "position"]


class RemovedFilter(admin.SimpleListFilter):
    """Removed products are shown on demand only."""

    title = "removidos"
    parameter_name = "removed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Só os removidos")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        return queryset.filter(deleted_at__isnull=self.value() != "1")


@admin.register(Product)
class ProductAdmin(CatalogAdmin):
    form = ProductForm
    change_form_before_template = "catalog/product_seen.html"
    inlines: ClassVar[list[Any]] = [VariantInline, OptionInline, MediaInline]
    list_display: ClassVar[list[str]] = [
        "name",
        "brand",
        "category",
        "situation",
        "from_price",
        "free",
        "variants_number",
    ]
    list_select_related: ClassVar[list[str]] = ["category"]
    list_filter: ClassVar[list[Any]] = ["status", RemovedFilter, "category"]
    list_per_page = 50
    search_fields: ClassVar[list[str]] = ["name", "brand", "slug", "variants__sku"]
    ordering: ClassVar[list[str]] = ["-id"]
    autocomplete_fields: ClassVar[list[str]] = ["category"]
    prepopulated_fields: ClassVar[dict[str, tuple[str, ...]]] = {"slug": ("name",)}
    fieldsets: ClassVar[list[Any]] = [
        (None, {"fields": [("name", "slug"), ("brand", "category"), "description", "attributes", "situation"]}),
        ("Buscadores", {"fields": ["seo_title", "seo_description"], "classes": ["tab"]}),
    ]
    readonly_fields: ClassVar[list[str]] = ["situation"]
    actions: ClassVar[list[str]] = ["show_products", "hide_products", "remove_products"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        queryset: QuerySet[Product] = super().get_queryset(request)
        variants = Variant.objects.filter(product=OuterRef("pk"), deleted_at__isnull=True).order_by()
        grouped = variants.values("product")
        return queryset.annotate(
            cheapest=Subquery(grouped.annotate(n=Min("price")).values("n")),
            number=Subquery(grouped.annotate(n=Count("id")).values("n")),
            pieces=Subquery(grouped.annotate(n=Sum(F("stock__on_hand") - F("stock__reserved"))).values("n")),
        )

    @display(
        description="situação", ordering="status", label={"draft": "warning", "active": "success", "removed": "danger"}
    )
    def situation(self, product: Product) -> Coloured:
        if product.is_removed:
            return Coloured("removed", "removido")
        return Coloured(product.status, product.get_status_display())

    @admin.display(description="a partir de", ordering="cheapest")
    def from_price(self, product: Any) -> str:
        return "–" if product.cheapest is None else f"R$ {product.cheapest}"

    @admin.display(description="peças livres", ordering="pieces")
    def free(self, product: Any) -> int:
        return product.pieces or 0

    @admin.display(description="variantes", ordering="number")
    def variants_number(self, product: Any) -> int:
        return product.number or 0

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        """Never for good: the action "remove" keeps what orders point at."""
        return False

    @admin.action(description="Colocar à venda", permissions=["change"])
    def show_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        number = put_on_sale(ids=list(queryset.values_list("id", flat=True)), on_sale=True, now=clock.now())
        messages.success(request, f"{number} produto(s) à venda.")

    @admin.action(description="Retirar de venda", permissions=["change"])
    def hide_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        number = put_on_sale(ids=list(queryset.values_list("id", flat=True)), on_sale=False, now=clock.now())
        messages.success(request, f"{number} produto(s) fora de venda.")

    @admin.action(description="Remover", permissions=["remove"])
    def remove_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        number = remove_products(ids=list(queryset.values_list("id", flat=True)), now=clock.now())
        messages.success(request, f"{number} produto(s) removido(s).")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("catalog.delete_product"))

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        hold_category(obj.category_id)
        if change:
            obj.version = locked_version(obj.pk, seen=form.cleaned_data["seen"])
            obj.touch()
            obj.save(update_fields=[*changed_columns(form), "version"])
        else:
            obj.save(force_insert=True)
        announce(self.work(request), products=[obj])

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseInlineFormSet[Any, Any, Any], change: bool
    ) -> None:
        if formset.model is not Variant:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        for variant, changed in formset.changed_objects:
            if columns := set(changed) - {"price"}:
                variant.version = F("version") + 1
                variant.save(update_fields=[*columns, "version"])
        for variant in formset.new_objects:
            variant.save(force_insert=True)
            Stock.objects.create(variant=variant)
        prices = {variant.pk: variant.money for variant, changed in formset.changed_objects if "price" in changed}
        apply_prices(self.work(request), prices=prices, actor_id=request.user.pk, now=clock.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        check_variants(form.instance)
        refresh_products([form.instance.pk])


@admin.register(Variant)
class VariantAdmin(ReadOnlyAdmin):
    """To look up and to choose from; variants are edited on the page of their product."""

    list_display: ClassVar[list[str]] = ["sku", "product", "options", "price", "active", "deleted_at"]
    list_select_related: ClassVar[list[str]] = ["product"]
    list_filter: ClassVar[list[str]] = ["active"]
    search_fields: ClassVar[list[str]] = ["sku", "barcode", "product__name"]
    ordering: ClassVar[list[str]] = ["-id"]


@admin.register(Category)
class CategoryAdmin(CatalogAdmin):
    list_display: ClassVar[list[str]] = ["indented", "slug", "position", "products_number"]
    search_fields: ClassVar[list[str]] = ["name", "slug"]
    prepopulated_fields: ClassVar[dict[str, tuple[str, ...]]] = {"slug": ("name",)}
    autocomplete_fields: ClassVar[list[str]] = ["parent"]
    fields: ClassVar[list[Any]] = [("name", "slug"), ("parent", "position"), "seo_title", "seo_description"]
    ordering: ClassVar[list[str]] = ["ancestor_ids", "position", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        queryset: QuerySet[Category] = super().get_queryset(request)
        return queryset.annotate(number=Count("products", filter=Q(products__deleted_at__isnull=True)))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if request.method not in SAFE_METHODS:
            locked_tree()  # before the row is read, in the order that whoever moves categories keeps to
        return super().get_object(request, object_id, from_field)

    @admin.display(description="nome", ordering="name")
    def indented(self, category: Category) -> str:
        return format_html('<span style="padding-left:{}em">{}</span>', 1.5 * len(category.ancestor_ids), category.name)

    @admin.display(description="produtos", ordering="number")
    def products_number(self, category: Any) -> int:
        return int(category.number)

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        place_category(obj, parent_id=obj.parent_id)


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(CatalogAdmin):
    list_display: ClassVar[list[str]] = ["name", "code", "type", "unit", "position"]
    search_fields: ClassVar[list[str]] = ["name", "code"]
    prepopulated_fields: ClassVar[dict[str, tuple[str, ...]]] = {"code": ("name",)}


@admin.register(PriceChange)
class PriceChangeAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[str]] = ["changed_at", "variant", "product", "old_price", "new_price", "changed_by"]
    list_select_related: ClassVar[list[str]] = ["variant__product"]
    list_filter: ClassVar[list[str]] = ["changed_at"]
    search_fields: ClassVar[list[str]] = ["variant__sku"]
    ordering: ClassVar[list[str]] = ["-id"]

    @admin.display(description="produto")
    def product(self, change: PriceChange) -> Product:
        return change.variant.product


@admin.register(BestSeller)
class BestSellerAdmin(ReadOnlyAdmin):
    list_display: ClassVar[list[str]] = ["product", "sold", "sold_recently"]
    list_select_related: ClassVar[list[str]] = ["product"]
    ordering: ClassVar[list[str]] = ["-sold"]
