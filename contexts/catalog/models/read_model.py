"""What the shop reads. Both tables are derived: nothing is lost with them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from contexts.catalog.models.products import Product


class ProductCatalog(models.Model):
    """One row per product on sale, ready to be sent: the read side of CQRS.

    ``document`` is the JSON of a list card, ``detail`` that of the product page, kept as text: they are sent as they
    are, and printing ``jsonb`` would cost more than all the rest of a list. The other columns filter and sort.
    Only the use cases of the read model write it, and only while they hold the lock on the product's row, so that it
    never shows an older state over a newer one.
    """

    product = models.OneToOneField(
        Product, verbose_name="produto", on_delete=models.CASCADE, primary_key=True, related_name="listing"
    )
    slug = models.CharField(max_length=200)
    brand = models.CharField("marca", max_length=120)
    category_id = models.UUIDField()
    category_ids = ArrayField(models.UUIDField())
    category_slugs = ArrayField(models.CharField(max_length=140))
    price_min = models.DecimalField("menor preço", max_digits=12, decimal_places=2)
    price_max = models.DecimalField("maior preço", max_digits=12, decimal_places=2)
    available = models.BooleanField("disponível")
    rating_average = models.DecimalField("nota média", max_digits=3, decimal_places=2)
    rating_count = models.PositiveIntegerField("avaliações")
    sales_count = models.PositiveIntegerField("vendas")
    created_at = models.DateTimeField("criado em")
    document = models.TextField()
    detail = models.TextField()
    name_search = models.TextField()
    search = SearchVectorField()

    class Meta:
        db_table = "product_catalog"
        verbose_name = "produto na vitrine"
        verbose_name_plural = "vitrine"
        constraints = (models.UniqueConstraint(fields=["slug"], name="product_catalog_one_slug"),)
        indexes = (
            GinIndex(fields=["category_ids"], fastupdate=False, name="product_catalog_category_ids"),
            GinIndex(fields=["category_slugs"], fastupdate=False, name="product_catalog_category_slug"),
            GinIndex(fields=["search"], fastupdate=False, name="product_catalog_search"),
            GinIndex(fields=["name_search"], opclasses=["gin_trgm_ops"], name="product_catalog_name_trigrams"),
            models.Index(fields=["-created_at", "-product"], name="product_catalog_newest"),
            models.Index(fields=["price_min", "product"], name="product_catalog_cheapest"),
            models.Index(fields=["-sales_count", "-product"], name="product_catalog_most_sold"),
            models.Index(fields=["-rating_average", "-product"], name="product_catalog_best_rated"),
            models.Index(fields=["brand"], name="product_catalog_brand"),
        )

    def __str__(self) -> str:
        return self.slug


class BestSeller(models.Model):
    """Pieces sold per product, returned ones taken off: a materialized view over the stock ledger.

    ``sold_recently`` counts the 30 days before its last refresh.
    """

    product = models.OneToOneField(
        Product,
        verbose_name="produto",
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="sales",
    )
    sold = models.IntegerField("vendidos")
    sold_recently = models.IntegerField("vendidos em 30 dias")

    class Meta:
        db_table = "best_sellers"
        managed = False
        verbose_name = "mais vendido"
        verbose_name_plural = "mais vendidos"

    def __str__(self) -> str:
        return f"{self.sold}"
