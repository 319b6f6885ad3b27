from __future__ import annotations

import io
import time
from decimal import Decimal

import pytest

from contexts.catalog.domain.imports import read_products
from contexts.catalog.domain.options import Option
from contexts.catalog.events import ProductChanged, StockAdjusted, VariantPriceChanged
from contexts.catalog.models import (
    AttributeDefinition,
    Category,
    Media,
    Product,
    ProductCatalog,
    ProductOption,
    Stock,
    StockMovement,
    Variant,
)
from contexts.catalog.queries.export import export_csv
from contexts.catalog.usecases.imports import import_catalog
from contexts.catalog.usecases.products import change_product, remove_products
from ecommerce.testing import published
from tests.contexts.catalog.factories import NOON, ProductFactory, VariantFactory, on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])

SHOPIFY = """\
Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,\
Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,Image Alt Text,Status
camiseta,Camiseta,"<p>De <b>algodão</b>.</p>
<script>alert(1)</script>",Ipê,Camisetas,x,true,Cor,Azul,Tamanho,P,CAM-AZ-P,180,5,69.90,89.90,https://x/1.jpg,Frente,active
camiseta,,,,,,,,Azul,,M,CAM-AZ-M,180,0,69.90,,https://x/2.jpg,Costas,
camiseta,,,,,,,,,,,,,,,,https://x/3.jpg,,
caneca,Caneca,Simples,Lumiar,,,false,Title,Default Title,,,,300,2,25,,,,active
"""


def load(text):
    return import_catalog(products=read_products(io.StringIO(text)), actor_id=None, now=NOON)


def own(*rows, header="handle,name,category,option1_name,option1_value,sku,price,stock"):
    return "\n".join([header, *rows]) + "\n"


def refusals(report):
    return [(rejected.line, rejected.code) for rejected in report.rejected]


def test_an_export_of_shopify_becomes_products():
    report = load(SHOPIFY)
    assert (report.accepted, report.products, report.variants, report.rejected) == (4, 2, 3, [])
    shirt = Product.objects.get(slug="camiseta")
    assert (shirt.description, shirt.brand, shirt.category.name) == ("De algodão.", "Ipê", "Camisetas")
    assert {option.name: option.values for option in shirt.options.all()} == {"Cor": ["Azul"], "Tamanho": ["P", "M"]}
    medium = Variant.objects.get(sku="CAM-AZ-M")
    assert medium.options == {"Cor": "Azul", "Tamanho": "M"}
    assert [picture.path for picture in shirt.media.all()] == ["https://x/1.jpg", "https://x/2.jpg", "https://x/3.jpg"]
    assert Stock.objects.get(variant__sku="CAM-AZ-P").on_hand == 5
    assert StockMovement.objects.get(variant__sku="CAM-AZ-P").quantity == 5
    mug = Product.objects.get(slug="caneca")
    assert (mug.status, mug.variants.get().options, mug.variants.get().sku) == ("draft", {}, "CANECA")
    assert ProductCatalog.objects.get().product_id == shirt.pk


def test_repeating_an_import_changes_nothing():
    load(SHOPIFY)
    before = [list(model.objects.order_by("pk").values()) for model in (Product, Variant, Stock, Media, ProductOption)]
    report = load(SHOPIFY)
    after = [list(model.objects.order_by("pk").values()) for model in (Product, Variant, Stock, Media, ProductOption)]
    assert report.accepted == 4
    assert after == before
    assert StockMovement.objects.count() == 2
    assert len(published("catalog", ProductChanged)) == len(published("catalog", StockAdjusted)) == 2
    assert not published("catalog", VariantPriceChanged)


def test_an_import_changes_what_is_there_and_keeps_its_stock():
    load(own("caneca,Caneca,Casa,,,CAN-1,25.00,7"))
    load(own("caneca,Caneca grande,Casa,,,CAN-1,29.90,99"))
    assert Product.objects.get().name == "Caneca grande"
    assert Stock.objects.get().on_hand == 7
    (event,) = published("catalog", VariantPriceChanged)
    assert (event.old_price.amount, event.new_price.amount) == (Decimal("25.00"), Decimal("29.90"))
    assert '"amount": "29.90"' in ProductCatalog.objects.get().document


COMPLETE = """\
handle,name,description,brand,category,status,attributes,seo_title,seo_description,option1_name,option1_value,sku,price,\
compare_at_price,weight_grams,length_mm,width_mm,height_mm,barcode,stock,image_url,image_alt
bule,Bule,De ferro,Ipê,Casa > Chá,draft,"{""forma"": ""Redondo""}",Bules,Todos os bules,Cor,Azul,B-1,50.00,\
60.00,900,10,20,30,789,4,https://x/1.jpg,Frente
bule,,,,,,,,,,Verde,B-2,50.00,,900,10,20,30,,4,,
"""


def everything():
    models = (Category, Product, ProductOption, Variant, Media)
    return {model: list(model.objects.order_by("pk").values()) for model in models}


def test_of_what_exists_only_the_columns_of_the_file_change():
    AttributeDefinition.objects.create(code="forma", name="Forma", type="text")
    assert load(COMPLETE).rejected == []
    expected = everything()
    header = "handle,name,sku,price,image_url"
    report = load(own("bule,Bule novo,B-1,55.00,https://x/1.jpg", "bule,,B-2,50.00,", header=header))
    assert (report.accepted, report.rejected) == (2, [])
    expected[Product][0] |= {"name": "Bule novo", "version": 2}
    expected[Variant][0] |= {"price": Decimal("55.00"), "version": 2}
    assert everything() == expected


def test_an_empty_cell_empties_what_is_there():
    AttributeDefinition.objects.create(code="forma", name="Forma", type="text")
    load(COMPLETE)
    header = "handle,name,sku,price,brand,compare_at_price,weight_grams"
    load(own("bule,Bule,B-1,50.00,,,", header=header))
    variant = Variant.objects.get(sku="B-1")
    assert (variant.product.brand, variant.compare_at_price, variant.weight_grams) == ("", None, 0)
    assert (variant.product.description, variant.length_mm) == ("De ferro", 10)


def test_new_products_get_defaults_for_the_columns_that_a_file_has_not():
    load(own("bule,Bule,B-1,50.00", header="handle,name,sku,price"))
    variant = Variant.objects.get()
    assert (variant.product.category.name, variant.product.status) == ("Outros", "active")
    assert (variant.product.description, variant.options, variant.weight_grams) == ("", {}, 0)


def test_the_older_columns_of_shopify_stand_for_the_category_and_the_status():
    load(SHOPIFY)
    load("Handle,Title,Type,Published,Variant SKU,Variant Price\ncaneca,Caneca,Copos,true,CANECA,25\n")
    mug = Product.objects.get(slug="caneca")
    assert (mug.category.name, mug.status, mug.brand) == ("Copos", "active", "Lumiar")


def test_a_withdrawn_variant_stays_withdrawn_by_the_export_that_comes_back():
    load(own("caneca,Caneca,Casa,Cor,Azul,CAN-1,25.00,7", "caneca,,,,Verde,CAN-2,25.00,7"))
    Variant.objects.filter(sku="CAN-2").update(active=False)
    report = load(b"".join(export_csv()).decode())
    assert (report.accepted, report.rejected) == (2, [])
    assert dict(Variant.objects.values_list("sku", "active")) == {"CAN-1": True, "CAN-2": False}
    load(own("caneca,,CAN-2,26.00,400", header="handle,name,sku,price,weight_grams"))
    assert Variant.objects.values_list("weight_grams", "active").get(sku="CAN-2") == (400, False)


def test_rows_without_a_name_add_to_a_product_that_exists():
    load(own("caneca,Caneca,Casa,Cor,Azul,CAN-1,25.00,7"))
    report = load(own("caneca,,,Cor,Verde,CAN-2,25.00,1", "prato,,,,,PRA-1,10.00,1"))
    assert (report.accepted, refusals(report)) == (1, [(3, "product_without_name")])
    assert ProductOption.objects.get().values == ["Azul", "Verde"]
    assert Category.objects.get().name == "Casa"


def test_bad_rows_are_reported_by_line_and_good_ones_taken():
    other = on_sale()
    report = load(
        own(
            "caneca,Caneca,Casa,Cor,Azul,CAN-1,25.00,7",
            "caneca,,,,Verde,CAN-2,muito,1",
            "caneca,,,,,CAN-3,25.00,1",
            "caneca,,,,Azul,CAN-4,25.00,1",
            "caneca,,,,Roxo,CAN-5,25.001,1",
            "caneca,,,,Cinza,CAN-6,,1",
            "Prato Fundo,Prato,Casa,,,PRA-1,10.00,1",
            "copo,Copo,Casa,,,CAN-1,9.00,1",
            f"jarra,Jarra,Casa,,,{other.sku},9.00,1",
            "tigela,Tigela,Casa,,,TIG-1,9.00,uma",
            '"garfo",Garfo,Casa,,,GAR-1,"9,50",2',
        )
    )
    assert refusals(report) == [
        (3, "invalid_price"),
        (4, "missing_option_value"),
        (5, "options_taken"),
        (6, "invalid_price"),
        (7, "missing_price"),
        (8, "invalid_handle"),
        (9, "duplicate_sku"),
        (10, "sku_of_other_product"),
        (11, "invalid_stock"),
    ]
    assert (report.accepted, report.products, report.variants) == (2, 2, 2)
    assert set(Product.objects.exclude(pk=other.product_id).values_list("slug", flat=True)) == {"caneca", "garfo"}
    assert Variant.objects.get(sku="GAR-1").price == Decimal("9.50")


def test_lines_are_those_of_the_file_also_after_cells_of_several_lines():
    header = "handle,name,description,sku,price"
    report = load(own('caneca,Caneca,"Uma\nduas\ntrês",CAN-1,5', "prato,Prato,,PRA-1,x", header=header))
    assert refusals(report) == [(5, "invalid_price")]


def test_attributes_follow_their_definitions():
    AttributeDefinition.objects.create(code="torra", name="Torra", type="choice", choices=["Clara"])
    header = "handle,name,sku,price,attributes"
    report = load(
        own(
            'bom,Bom,B-1,5,"{""torra"": ""Clara""}"', 'ruim,Ruim,R-1,5,"{""torra"": ""Forte""}"', "pior,Pior,P-1,5,x",
            header=header,
        )
    )  # fmt: skip
    assert refusals(report) == [(3, "invalid_attributes"), (4, "invalid_attributes")]
    assert Product.objects.get().attributes == {"torra": "Clara"}


@pytest.mark.parametrize(
    "attributes",
    [r'{"cor": "\ud800"}', '{"peso": NaN}', '{"peso": 1e999}', '{"cor": ' + "[" * 5000 + "]" * 5000 + "}", "[" * 1000],
)
def test_attributes_that_are_no_json_refuse_their_rows_only(attributes):
    AttributeDefinition.objects.create(code="cor", name="Cor", type="text")
    AttributeDefinition.objects.create(code="peso", name="Peso", type="number")
    cell = attributes.replace('"', '""')
    header = "handle,name,sku,price,attributes"
    report = load(own("a,A,A-1,5,", f'b,B,B-1,5,"{cell}"', 'c,C,C-1,5,"{""peso"": 2.5}"', header=header))
    assert (report.accepted, refusals(report)) == (2, [(3, "invalid_attributes")])
    assert list(Product.objects.order_by("slug").values_list("slug", flat=True)) == ["a", "c"]


def test_a_number_of_more_than_64_bits_is_taken_as_the_api_takes_it():
    AttributeDefinition.objects.create(code="peso", name="Peso", type="number")
    report = load(own('a,A,A-1,5,"{""peso"": 18446744073709551616}"', header="handle,name,sku,price,attributes"))
    assert report.rejected == []
    assert Product.objects.get().attributes == {"peso": pytest.approx(2**64)}


def savable(product):
    """Save the options as they are; refused if a variant does not fit them."""
    options = [Option(name=option.name, values=tuple(option.values)) for option in product.options.all()]
    change_product(product_id=product.pk, version=product.version, changes={"options": options}, now=NOON)
    return {option.name: option.values for option in product.options.all()}


def test_a_renamed_option_leaves_no_other_behind():
    rows = ("tenis,Tênis,Casa,{},38,T-38,90.00,1", "tenis,,,,39,T-39,90.00,1")
    load(own(*(row.format("Tamnho") for row in rows)))
    report = load(own(*(row.format("Tamanho") for row in rows)))
    assert (report.accepted, report.rejected) == (2, [])
    assert savable(Product.objects.get()) == {"Tamanho": ["38", "39"]}


@pytest.mark.parametrize(
    "text",
    [
        own("tenis,Tênis,Casa,Tamanho,38,T-38,90.00,1"),
        own("tenis,,,Cor,Azul,T-40,90.00,1"),
        own("tenis,,T-40,90.00", header="handle,name,sku,price"),
        own("tenis,,,Sabor,Uva,T-40,90.00,1", "tenis,,,,Uva,T-39,90.00,1"),
    ],
    ids=["renamed for one variant", "another option", "none", "the other variant is refused"],
)
def test_a_variant_with_other_options_than_the_rest_of_its_product_is_refused(text):
    load(own("tenis,Tênis,Casa,Tamnho,38,T-38,90.00,1", "tenis,,,,39,T-39,90.00,1"))
    before = everything()
    report = load(text)
    assert report.accepted == 0
    assert "invalid_options" in {code for _, code in refusals(report)}
    assert everything() == before
    assert savable(Product.objects.get()) == {"Tamnho": ["38", "39"]}


def test_a_fourth_option_is_refused():
    header = "handle,name,option1_name,option1_value,option2_name,option2_value,option3_name,option3_value,sku,price"
    load(own("cha,Chá,Cor,Preto,Peso,50 g,Lata,Sim,C-1,9.00", header=header))
    report = load(own("cha,,Sabor,Limão,,,,,C-2,9.00", header=header))
    assert (report.accepted, refusals(report)) == (0, [(2, "invalid_options")])
    assert len(savable(Product.objects.get())) == 3


def test_an_option_has_at_most_a_hundred_values():
    load(own("tinta,Tinta,Casa,Cor,C-0,T-0,9.00,1"))
    report = load(own(*(f"tinta,,,Cor,C-{number},T-{number},9.00,1" for number in range(102))))
    assert (report.accepted, refusals(report)) == (100, [(102, "invalid_options"), (103, "invalid_options")])
    assert len(savable(Product.objects.get())["Cor"]) == 100


def test_a_variant_that_one_value_too_many_refuses_keeps_the_others_from_another_option():
    product = ProductFactory.create(slug="tinta")
    for number in range(101):
        VariantFactory.create(product=product, sku=f"T-{number}", options={"Cro": f"C-{number}"})
    report = load(own(*(f"tinta,,,Cor,C-{number},T-{number},10.00,1" for number in range(101))))
    assert (report.accepted, {code for _, code in refusals(report)}) == (0, {"invalid_options"})
    assert {tuple(variant.options) for variant in product.variants.all()} == {("Cro",)}


def test_options_without_variants_yet_wait_for_them():
    product = ProductFactory.create(slug="vaso")
    ProductOption.objects.create(product=product, name="Cor", values=["Azul", "Verde"])
    header = "handle,name,sku,price,image_url"
    load(own("vaso,,,,https://x/1.jpg", header=header))
    assert savable(product) == {"Cor": ["Azul", "Verde"]}


def test_category_paths_become_a_tree_and_are_found_again():
    load(own("a,A,Casa > Cozinha,,,A,1,0", "b,B,Jardim > Cozinha,,,B,1,0", "c,C,Casa > Cozinha,,,C,1,0"))
    paths = {category.slug: [parent.slug for parent in Category.objects.filter(pk__in=category.ancestor_ids)]
             for category in Category.objects.all()}  # fmt: skip
    assert paths == {"casa": [], "cozinha": ["casa"], "jardim": [], "jardim-cozinha": ["jardim"]}
    assert Category.objects.get(slug="cozinha").products.count() == 2


def test_semicolons_and_a_byte_order_mark_are_what_spreadsheets_write():
    report = load("\ufeffhandle;name;sku;price\ncaneca;Caneca;CAN-1;19,90\n")
    assert (report.accepted, report.rejected) == (1, [])
    assert Variant.objects.get().price == Decimal("19.90")


def test_the_newer_template_of_shopify_is_read_as_well():
    header = "Title,URL handle,Description,Vendor,SKU,Option1 name,Option1 value,Price,Compare-at price"
    load(f"{header},Inventory quantity\nCaneca,caneca,Boa,Ipê,CAN-1,Cor,Azul,25,30,4\n")
    variant = Variant.objects.get()
    assert (variant.sku, variant.options, variant.compare_at_price) == ("CAN-1", {"Cor": "Azul"}, Decimal(30))


def test_a_removed_product_comes_back_as_a_new_one():
    load(own("caneca,Caneca,Casa,,,CAN-1,25.00,7"))
    remove_products(ids=[Product.objects.get().pk], now=NOON)
    load(own("caneca,Caneca,Casa,,,CAN-1,25.00,2"))
    assert Product.objects.filter(slug="caneca").count() == 2
    assert Stock.objects.get(variant__deleted_at=None).on_hand == 2


def test_statements_per_batch_do_not_depend_on_its_size(statements):
    counts = []
    for start, number in ((0, 2), (100, 40)):
        rows = [f"p{start + n},Produto {n},Casa,Cor,Azul,S-{start + n},10.00,1" for n in range(number)]
        load(own("semente,Semente,Casa,,,SEM,1.00,0"))
        with statements() as executed:
            load(own(*rows))
        counts.append(len(executed))
    assert counts[0] == counts[1] < 20


def test_three_thousand_products_are_imported_in_seconds():
    rows = [
        f"p{n},Produto número {n},Casa > Sala {n % 20},Cor,Azul,S-{n},{n % 900 + 1}.90,{n % 7}" for n in range(3008)
    ]
    started = time.process_time()
    report = load(own(*rows))
    assert (report.accepted, report.rejected) == (3008, [])
    assert ProductCatalog.objects.count() == 3008
    assert time.process_time() - started < 10
