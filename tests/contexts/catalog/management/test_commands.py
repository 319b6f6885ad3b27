from __future__ import annotations

import xml.dom.minidom

import pytest
from django.core.management import call_command

from contexts.catalog.management.demo.catalogue import demo_products
from contexts.catalog.models import Category, Media, Product, ProductCatalog, Review, StockMovement, Variant
from tests.contexts.catalog.factories import on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])


def counts():
    return [model.objects.count() for model in (Category, Product, Variant, Media, Review, StockMovement)]


def test_the_demonstration_is_loaded_once_however_often(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    call_command("load_demo_catalog", verbosity=0)
    loaded = counts()
    shown = list(ProductCatalog.objects.order_by("pk").values())
    call_command("load_demo_catalog", verbosity=0)
    assert counts() == loaded
    assert list(ProductCatalog.objects.order_by("pk").values()) == shown
    assert 150 <= len(shown) <= 250
    assert Category.objects.filter(children=None).count() == 15
    assert ProductCatalog.objects.filter(available=False).exists()
    for media in Media.objects.all():
        xml.dom.minidom.parse(str(tmp_path / media.path))


def test_demonstration_products_are_the_same_everywhere_and_differ_from_each_other():
    first, second = list(demo_products()), list(demo_products())
    assert first == second
    skus = [variant.sku for draft, _ in first for variant in draft.variants]
    assert len(set(skus)) == len(skus)
    assert len({draft.handle for draft, _ in first}) == len(first)


def test_the_read_model_is_written_anew(capsys):
    shown = [on_sale() for _ in range(5)]
    ProductCatalog.objects.filter(pk=shown[0].product_id).delete()
    ProductCatalog.objects.filter(pk=shown[1].product_id).update(document="{}")
    before = ProductCatalog.objects.get(pk=shown[2].product_id).document
    call_command("rebuild_catalog", batch=2)
    assert ProductCatalog.objects.count() == 5
    assert ProductCatalog.objects.filter(document="{}").count() == 0
    assert ProductCatalog.objects.get(pk=shown[2].product_id).document == before
    assert "5 products" in capsys.readouterr().out
