from __future__ import annotations

import pytest

from contexts.catalog.domain.attributes import InvalidAttributes
from contexts.catalog.domain.options import InvalidOptions, Option
from contexts.catalog.models import AttributeDefinition, AttributeType, Product, ProductCatalog, Stock, Variant
from contexts.catalog.models.categories import CategoryCycle
from contexts.catalog.usecases.categories import (
    CategoryNotFound,
    create_category,
    move_category,
)
from contexts.catalog.usecases.constraints import CategoryNameTaken, OptionsTaken, SkuTaken, SlugTaken
from contexts.catalog.usecases.prices import VariantNotFound
from contexts.catalog.usecases.products import (
    NewProduct,
    NewVariant,
    Picture,
    ProductNotFound,
    ProductOutdated,
    change_product,
    create_product,
    put_on_sale,
    remove_products,
)
from contexts.catalog.usecases.variants import add_variant, change_variant, remove_variant
from ecommerce.ids import new_id
from tests.contexts.catalog.factories import NOON, CategoryFactory, brl, on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])
COLOUR = Option(name="Cor", values=("Azul", "Verde"))


def new_product(**fields):
    category_id = fields.pop("category_id", None) or CategoryFactory.create().pk
    return create_product(product=NewProduct(category_id=category_id, **{"name": "Camiseta", **fields}), now=NOON)


def blue(**fields):
    return NewVariant(**{"sku": "AZUL", "price": brl("10.00"), "options": {"Cor": "Azul"}, **fields})


def test_a_product_is_created_with_everything_and_an_empty_stock():
    product = new_product(
        name="Camiseta Básica", on_sale=True, options=[COLOUR], media=[Picture(path="a.svg", alt="frente")],
        variants=[blue()],
    )  # fmt: skip
    assert product.slug == "camiseta-basica"
    assert (Stock.objects.get().on_hand, Stock.objects.get().reserved) == (0, 0)
    assert not ProductCatalog.objects.get().available


def test_a_name_that_grows_in_an_address_is_cut_there():
    assert new_product(name="㏂" * 200).slug == "am" * 100


def test_a_draft_is_not_shown_until_it_is_put_on_sale_and_again_not_when_withdrawn():
    product = new_product(options=[COLOUR], variants=[blue()])
    assert not ProductCatalog.objects.exists()
    assert put_on_sale(ids=[product.pk], on_sale=True, now=NOON) == 1
    assert ProductCatalog.objects.exists()
    put_on_sale(ids=[product.pk], on_sale=False, now=NOON)
    assert not ProductCatalog.objects.exists()


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"category_id": new_id()}, CategoryNotFound),
        ({"attributes": {"desconhecido": "x"}}, InvalidAttributes),
        ({"options": [COLOUR, COLOUR]}, InvalidOptions),
        ({"options": [COLOUR], "variants": [blue(options={})]}, InvalidOptions),
        ({"options": [COLOUR], "variants": [blue(options={"Cor": "Roxo"})]}, InvalidOptions),
        ({"options": [COLOUR], "variants": [blue(), blue(sku="OUTRO")]}, OptionsTaken),
    ],
)
def test_what_does_not_fit_is_refused_whole(fields, refusal):
    with pytest.raises(refusal):
        new_product(**fields)
    assert not Product.objects.exists()


def test_attributes_follow_their_definitions():
    AttributeDefinition.objects.create(code="torra", name="Torra", type=AttributeType.CHOICE, choices=["Clara"])
    assert new_product(attributes={"torra": "Clara"}).attributes == {"torra": "Clara"}
    with pytest.raises(InvalidAttributes) as refusal:
        new_product(slug="outro", attributes={"torra": "Forte"})
    assert list(refusal.value.params["attributes"]) == ["torra"]


def test_slug_and_sku_are_taken_only_while_their_owner_exists():
    product = new_product(options=[COLOUR], variants=[blue()])
    with pytest.raises(SlugTaken):
        new_product()
    with pytest.raises(SkuTaken):
        new_product(slug="outro", options=[COLOUR], variants=[blue()])
    assert remove_products(ids=[product.pk], now=NOON) == 1
    assert new_product(options=[COLOUR], variants=[blue()]).pk != product.pk


def test_removing_keeps_the_rows_and_happens_once():
    variant = on_sale()
    assert remove_products(ids=[variant.product_id], now=NOON) == 1
    assert remove_products(ids=[variant.product_id], now=NOON) == 0
    assert Variant.objects.get().deleted_at == NOON
    assert not ProductCatalog.objects.exists()


def test_a_change_needs_the_version_that_the_product_has():
    product = new_product()
    change_product(product_id=product.pk, version=1, changes={"brand": "Ipê"}, now=NOON)
    with pytest.raises(ProductOutdated) as refusal:
        change_product(product_id=product.pk, version=1, changes={"brand": "Outra"}, now=NOON)
    assert refusal.value.params["version"] == 2
    assert Product.objects.get().brand == "Ipê"


def test_options_in_use_cannot_be_taken_away():
    product = new_product(options=[COLOUR], variants=[blue()])
    changes = {"options": [Option(name="Cor", values=("Verde",))]}
    with pytest.raises(InvalidOptions):
        change_product(product_id=product.pk, version=1, changes=changes, now=NOON)


def test_unknown_products_and_variants_are_not_found():
    with pytest.raises(ProductNotFound):
        change_product(product_id=new_id(), version=1, changes={}, now=NOON)
    with pytest.raises(ProductNotFound):
        add_variant(product_id=new_id(), variant=blue(), now=NOON)
    with pytest.raises(VariantNotFound):
        change_variant(variant_id=new_id(), changes={})
    with pytest.raises(VariantNotFound):
        remove_variant(variant_id=new_id(), now=NOON)


def test_variants_come_change_and_go():
    product = new_product(options=[COLOUR], on_sale=True)
    variant = add_variant(product_id=product.pk, variant=blue(), now=NOON)
    second = add_variant(product_id=product.pk, variant=blue(sku="VERDE", options={"Cor": "Verde"}), now=NOON)
    assert (variant.position, second.position) == (0, 1)
    change_variant(variant_id=variant.pk, changes={"compare_at_price": brl("15.00"), "weight_grams": 300})
    assert '"amount": "15.00"' in ProductCatalog.objects.get().document
    with pytest.raises(OptionsTaken):
        change_variant(variant_id=variant.pk, changes={"options": {"Cor": "Verde"}})
    remove_variant(variant_id=variant.pk, now=NOON)
    assert '"variants": [' in ProductCatalog.objects.get().detail
    assert "AZUL" not in ProductCatalog.objects.get().detail
    with pytest.raises(VariantNotFound):
        remove_variant(variant_id=variant.pk, now=NOON)


def test_a_category_is_not_moved_below_itself():
    home = create_category(name="Casa", slug="casa")
    kitchen = create_category(name="Cozinha", slug="cozinha", parent_id=home.pk)
    assert kitchen.path == [home.pk, kitchen.pk]
    with pytest.raises(CategoryCycle):
        move_category(category_id=home.pk, parent_id=kitchen.pk)
    with pytest.raises(CategoryNotFound):
        move_category(category_id=home.pk, parent_id=new_id())


@pytest.mark.parametrize("parent", [True, False])
def test_names_are_unique_among_siblings_and_slugs_everywhere(parent):
    parent_id = create_category(name="Casa", slug="casa").pk if parent else None
    create_category(name="Cozinha", slug="cozinha", parent_id=parent_id)
    with pytest.raises(CategoryNameTaken):
        create_category(name="Cozinha", slug="cozinha-2", parent_id=parent_id)
    with pytest.raises(SlugTaken):
        create_category(name="Copa", slug="cozinha", parent_id=parent_id)
