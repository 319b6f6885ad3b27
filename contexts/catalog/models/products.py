"""Products, their variants, prices and media."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from contexts.catalog.models.categories import Category
from ecommerce import clock
from ecommerce.errors import Invalid
from ecommerce.ids import new_id
from ecommerce.money import Money


class PriceUnchanged(Invalid):
    """The variant has that price already."""

    code = "price_unchanged"


class AttributeType(models.TextChoices):
    TEXT = "text", "texto"
    NUMBER = "number", "número"
    BOOLEAN = "boolean", "sim ou não"
    CHOICE = "choice", "opção"


class AttributeDefinition(models.Model):
    """What a key of ``Product.attributes`` means and which values it may hold."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField("código", max_length=60, unique=True)
    name = models.CharField("nome", max_length=80)
    type = models.CharField("tipo", max_length=8, choices=AttributeType, default=AttributeType.TEXT)
    choices = ArrayField(models.CharField(max_length=80), verbose_name="opções", default=list, blank=True)
    unit = models.CharField("unidade", max_length=16, blank=True, default="")
    position = models.PositiveIntegerField("posição", default=0)

    class Meta:
        db_table = "attribute_definitions"
        verbose_name = "atributo"
        verbose_name_plural = "atributos"
        ordering = ("position", "name")
        constraints = (
            models.CheckConstraint(condition=Q(type__in=AttributeType.values), name="attribute_definitions_known_type"),
            models.CheckConstraint(
                condition=~Q(type=AttributeType.CHOICE) | ~Q(choices=[]),
                name="attribute_definitions_choice_has_choices",
            ),
        )

    def __str__(self) -> str:
        return self.name


class ProductStatus(models.TextChoices):
    DRAFT = "draft", "rascunho"
    ACTIVE = "active", "à venda"


class Product(models.Model):
    """What is described and searched; its variants are what is sold. The aggregate that every change locks."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=200, db_index=False)
    name = models.CharField("nome", max_length=200)
    description = models.TextField("descrição", blank=True, default="")
    brand = models.CharField("marca", max_length=120, blank=True, default="")
    category = models.ForeignKey(Category, verbose_name="categoria", on_delete=models.PROTECT, related_name="products")
    attributes = models.JSONField("atributos", default=dict, blank=True)
    seo_title = models.CharField("título para buscadores", max_length=120, blank=True, default="")
    seo_description = models.CharField("descrição para buscadores", max_length=320, blank=True, default="")
    status = models.CharField("situação", max_length=8, choices=ProductStatus, default=ProductStatus.DRAFT)
    version = models.PositiveIntegerField("versão", default=1, editable=False)
    created_at = models.DateTimeField("criado em", default=clock.now, editable=False)
    deleted_at = models.DateTimeField("removido em", null=True, blank=True, editable=False)

    class Meta:
        db_table = "products"
        verbose_name = "produto"
        verbose_name_plural = "produtos"
        constraints = (
            models.UniqueConstraint(fields=["slug"], condition=Q(deleted_at__isnull=True), name="products_one_slug"),
            models.CheckConstraint(condition=Q(status__in=ProductStatus.values), name="products_known_status"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_removed(self) -> bool:
        return self.deleted_at is not None

    def put_on_sale(self) -> None:
        """Show the product in the shop, provided that a variant of it is active."""
        self.status = ProductStatus.ACTIVE

    def withdraw(self) -> None:
        """Hide the product from the shop; carts and orders keep it."""
        self.status = ProductStatus.DRAFT

    def remove(self, *, now: datetime) -> None:
        """Delete softly: the row stays for orders and statistics. Idempotent; the first time counts."""
        self.deleted_at = self.deleted_at or now

    def touch(self) -> None:
        """Count one more change; call once per action."""
        self.version += 1


class ProductOption(models.Model):
    """A way in which the variants of a product differ, such as size, and the values it may take, in display order."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="options")
    name = models.CharField("nome", max_length=60)
    values = ArrayField(models.CharField(max_length=80), verbose_name="valores", default=list)
    position = models.PositiveIntegerField("posição", default=0)

    class Meta:
        db_table = "product_options"
        verbose_name = "opção"
        verbose_name_plural = "opções"
        ordering = ("position", "name")
        constraints = (
            models.UniqueConstraint(fields=["product", "name"], name="product_options_one_name_per_product"),
        )

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """A sellable version of a product. ``options`` holds one value for each option of the product."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, verbose_name="produto", on_delete=models.PROTECT, related_name="variants")
    sku = models.CharField("SKU", max_length=80)
    options = models.JSONField("opções", default=dict, blank=True)
    price = models.DecimalField("preço", max_digits=12, decimal_places=2)
    compare_at_price = models.DecimalField("preço de", max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField("moeda", max_length=3, default="BRL", editable=False)
    weight_grams = models.PositiveIntegerField("peso (g)", default=0)
    length_mm = models.PositiveIntegerField("comprimento (mm)", default=0)
    width_mm = models.PositiveIntegerField("largura (mm)", default=0)
    height_mm = models.PositiveIntegerField("altura (mm)", default=0)
    barcode = models.CharField("código de barras", max_length=40, blank=True, default="")
    position = models.PositiveIntegerField("posição", default=0)
    active = models.BooleanField("ativo", default=True)
    version = models.PositiveIntegerField("versão", default=1, editable=False)
    created_at = models.DateTimeField("criado em", default=clock.now, editable=False)
    deleted_at = models.DateTimeField("removido em", null=True, blank=True, editable=False)

    class Meta:
        db_table = "variants"
        verbose_name = "variante"
        verbose_name_plural = "variantes"
        ordering = ("position", "id")
        constraints = (
            models.UniqueConstraint(fields=["sku"], condition=Q(deleted_at__isnull=True), name="variants_one_sku"),
            models.UniqueConstraint(
                fields=["product", "options"], condition=Q(deleted_at__isnull=True), name="variants_one_per_options"
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="variants_price_not_negative"),
            models.CheckConstraint(
                condition=Q(compare_at_price__isnull=True) | Q(compare_at_price__gte=0),
                name="variants_compare_at_price_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.sku

    @property
    def money(self) -> Money:
        """What it costs now."""
        return Money(self.price, self.currency)

    def change_price(self, price: Decimal) -> Money:
        """Set the price and count one more version; return the old price.

        Raises:
            PriceUnchanged: it is the price already.
        """
        old = self.money
        if old.amount == price:
            raise PriceUnchanged("A variante já tem este preço.")
        self.price = Money(price, self.currency).amount
        self.version += 1
        return old

    def remove(self, *, now: datetime) -> None:
        """Delete softly; orders keep pointing at it. Idempotent; the first time counts."""
        self.deleted_at = self.deleted_at or now


class PriceChange(models.Model):
    """One line of a variant's price history; ``changed_by`` is a staff member, empty for an import or a command."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    variant = models.ForeignKey(
        Variant, verbose_name="variante", on_delete=models.CASCADE, related_name="price_history"
    )
    old_price = models.DecimalField("preço anterior", max_digits=12, decimal_places=2)
    new_price = models.DecimalField("preço novo", max_digits=12, decimal_places=2)
    currency = models.CharField("moeda", max_length=3, default="BRL")
    changed_at = models.DateTimeField("desde")
    changed_by = models.UUIDField("por", null=True, blank=True)

    class Meta:
        db_table = "price_history"
        verbose_name = "mudança de preço"
        verbose_name_plural = "histórico de preços"
        indexes = (models.Index(fields=["variant", "-changed_at"], name="price_history_of_variant"),)

    def __str__(self) -> str:
        return f"{self.old_price} → {self.new_price}"


class Media(models.Model):
    """An image of a product. ``path`` is relative to the media folder, or a whole URL."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="media")
    path = models.CharField("caminho ou URL", max_length=500)
    alt = models.CharField("descrição da imagem", max_length=200, blank=True, default="")
    position = models.PositiveIntegerField("posição", default=0)

    class Meta:
        db_table = "media"
        verbose_name = "imagem"
        verbose_name_plural = "imagens"
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=["product", "path"], name="media_once_per_product"),)

    def __str__(self) -> str:
        return self.path
