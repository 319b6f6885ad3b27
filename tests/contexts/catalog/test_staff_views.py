"""What staff does by REST: products, prices, stock, reviews, files."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import orjson
import pytest

from contexts.catalog.models import (
    MovementKind,
    PriceChange,
    Product,
    ProductCatalog,
    ReviewStatus,
    Stock,
    StockMovement,
    Variant,
)
from ecommerce.ids import new_id
from tests.contexts.catalog.conftest import UNKNOWN, names, problem
from tests.contexts.catalog.factories import (
    CategoryFactory,
    ProductFactory,
    ReviewFactory,
    on_sale,
)

pytestmark = pytest.mark.django_db(databases=["catalog"])
BRL_15 = {"amount": "15.00", "currency": "BRL"}


# --- staff -----------------------------------------------------------------------------------------------------------
STAFF_ONLY = [
    ("post", "products", "catalog.add_product"),
    ("patch", f"products/{UNKNOWN}", "catalog.change_product"),
    ("delete", f"products/{UNKNOWN}", "catalog.delete_product"),
    ("post", f"products/{UNKNOWN}/variants", "catalog.change_product"),
    ("patch", f"variants/{UNKNOWN}", "catalog.change_product"),
    ("delete", f"variants/{UNKNOWN}", "catalog.change_product"),
    ("put", f"variants/{UNKNOWN}/price", "catalog.change_product"),
    ("post", "price-changes", "catalog.change_product"),
    ("post", "stock-movements", "catalog.change_stock"),
    ("post", "catalog-imports", "catalog.add_product"),
    ("get", "catalog-exports", "catalog.view_product"),
    ("get", "reviews", "catalog.view_review"),
    ("post", f"reviews/{UNKNOWN}/approve", "catalog.change_review"),
    ("post", f"reviews/{UNKNOWN}/reject", "catalog.change_review"),
]


@pytest.mark.parametrize(("method", "path", "scope"), STAFF_ONLY)
def test_staff_needs_the_scope(api, staff, method, path, scope):
    assert problem(getattr(api, method)(f"/api/v1/{path}"), 401)
    assert problem(getattr(staff("catalog.other"), method)(f"/api/v1/{path}"), 403)
    assert getattr(staff(scope), method)(f"/api/v1/{path}").status_code not in (401, 403)


def test_a_product_is_created_changed_by_version_and_removed(api, staff):
    client = staff("catalog.add_product", "catalog.change_product", "catalog.delete_product")
    created = client.post(
        "/api/v1/products",
        {
            "name": "Panela de ferro", "category_id": str(CategoryFactory.create().pk), "on_sale": True,
            "options": [{"name": "Cor", "values": ["Preto"]}], "media": [{"path": "p.svg"}],
            "variants": [{"sku": "PAN-1", "price": BRL_15, "options": {"Cor": "Preto"}}],
        },
        format="json",
    )  # fmt: skip
    assert created.status_code == 201, created.content
    body = orjson.loads(created.content)
    url = f"/api/v1/products/{body['id']}"
    assert names(api.get("/api/v1/products")) == ["Panela de ferro"]
    assert problem(client.patch(url, {"brand": "Ipê"}, format="json"), 428)
    assert problem(client.patch(url, {"brand": "Ipê"}, format="json", HTTP_IF_MATCH='"9"'), 412)
    changed = client.patch(url, {"brand": "Ipê"}, format="json", HTTP_IF_MATCH=created["ETag"])
    assert (orjson.loads(changed.content)["brand"], changed["ETag"]) == ("Ipê", '"2"')
    assert client.delete(url).status_code == 204
    assert problem(client.delete(url), 404)
    assert names(api.get("/api/v1/products")) == []


@pytest.mark.parametrize(
    ("fault", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"category_id": "x"}, "/category_id"),
        ({"variants": [{"sku": "A", "price": 10}]}, "/variants/0/price"),
        ({"options": [{"name": "Cor", "values": []}]}, "/options/0/values"),
    ],
)
def test_mistakes_are_pointed_at(staff, fault, pointer):
    given = {"name": "Panela", "category_id": str(new_id()), **fault}
    response = staff("catalog.add_product").post("/api/v1/products", given, format="json")
    assert problem(response, 400)["errors"][0]["pointer"] == pointer


def test_a_draft_is_staffs_alone(api, staff):
    product = ProductFactory.create(slug="rascunho", status="draft")
    assert problem(api.get("/api/v1/products/rascunho"), 404)
    assert problem(api.get("/api/v1/products/rascunho?view=staff"), 403)["code"] == "missing_scope"
    shown = staff("catalog.view_product").get("/api/v1/products/rascunho?view=staff")
    assert (orjson.loads(shown.content)["id"], shown["ETag"]) == (str(product.pk), '"1"')


def test_variants_are_added_changed_priced_and_removed(staff):
    client, product = staff("catalog.change_product"), ProductFactory.create()
    created = client.post(
        f"/api/v1/products/{product.pk}/variants", {"sku": "A-1", "price": BRL_15, "weight_grams": 300}, format="json"
    )
    assert created.status_code == 201, created.content
    variant = Variant.objects.get()
    url = f"/api/v1/variants/{variant.pk}"
    changed = client.patch(url, {"barcode": "789", "compare_at_price": None}, format="json")
    assert orjson.loads(changed.content)["variants"][0]["barcode"] == "789"
    price = {"price": {"amount": "19.90", "currency": "BRL"}}
    assert client.put(f"{url}/price", price, format="json").status_code == 204
    assert PriceChange.objects.get().new_price == Decimal("19.90")
    assert client.delete(url).status_code == 204
    assert problem(client.put(f"{url}/price", price, format="json"), 404)["code"] == "variant_not_found"


def test_bulk_prices_report_every_row(staff):
    first, second = on_sale(), on_sale(price="15.00")
    rows = [
        {"sku": first.sku, "price": BRL_15},
        {"variant_id": str(second.pk), "price": BRL_15},
        {"sku": "NÃO-HÁ", "price": BRL_15},
        {"price": BRL_15},
        {"sku": first.sku, "price": "15"},
        "lixo",
    ]
    report = staff("catalog.change_product").post("/api/v1/price-changes", rows, format="json").json()
    assert (report["changed"], report["unchanged"]) == (1, 1)
    assert [(row["row"], row["code"]) for row in report["rejected"]] == [
        (2, "variant_not_found"),
        (3, "invalid"),
        (4, "invalid"),
        (5, "invalid"),
    ]


@pytest.mark.parametrize("rows", [[], {}, [{}] * 1001])
def test_bulk_prices_are_a_list_of_one_to_a_thousand(staff, rows):
    assert problem(staff("catalog.change_product").post("/api/v1/price-changes", rows, format="json"), 400)


def test_goods_are_booked_and_corrections_below_the_reserved_refused(staff):
    client, variant = staff("catalog.change_stock"), on_sale(stock=1)
    rows = [{"sku": variant.sku, "kind": MovementKind.RECEIVE, "quantity": 4}]
    booked = client.post("/api/v1/stock-movements", {"reason": "NF 1", "movements": rows}, format="json")
    assert booked.status_code == 201, booked.content
    assert [(row["before"], row["after"]) for row in booked.json()] == [(1, 5)]
    assert StockMovement.objects.get().reason == "NF 1"
    Stock.objects.update(reserved=5)
    rows = [{"variant_id": str(variant.pk), "kind": MovementKind.ADJUST, "quantity": -1}]
    refused = client.post("/api/v1/stock-movements", {"movements": rows}, format="json")
    assert problem(refused, 409)["code"] == "stock_too_low"


@pytest.mark.parametrize(
    "row",
    [
        {"sku": "A", "kind": "sell", "quantity": 1},
        {"sku": "A", "kind": "receive", "quantity": -1},
        {"sku": "A", "kind": "adjust", "quantity": 0},
        {"kind": "receive", "quantity": 1},
    ],
)
def test_staff_only_books_what_staff_may(staff, row):
    response = staff("catalog.change_stock").post("/api/v1/stock-movements", {"movements": [row]}, format="json")
    assert problem(response, 400)["errors"][0]["pointer"].startswith("/movements/0")


def test_reviews_are_moderated(staff, statements):
    client = staff("catalog.view_review", "catalog.change_review")
    review = ReviewFactory.create(status=ReviewStatus.PENDING)
    ReviewFactory.create(status=ReviewStatus.PENDING)
    with statements() as executed:
        page = client.get("/api/v1/reviews").json()
    assert (len(executed), len(page["results"])) == (1, 2)
    assert client.post(f"/api/v1/reviews/{review.pk}/approve").status_code == 204
    assert client.get("/api/v1/reviews?status=approved").json()["results"][0]["id"] == str(review.pk)
    assert client.post(f"/api/v1/reviews/{review.pk}/reject").status_code == 204
    assert problem(client.post(f"/api/v1/reviews/{new_id()}/reject"), 404)["code"] == "review_not_found"
    assert problem(client.get("/api/v1/reviews?status=x"), 400)


# --- files -----------------------------------------------------------------------------------------------------------
CSV = "handle,name,sku,price,stock,category\npanela,Panela,PAN-1,15.00,3,Casa > Cozinha\nruim,,R-1,1.00,,\n"


@pytest.mark.parametrize("how", ["body", "form"])
def test_a_file_is_imported_as_body_or_as_form(api, staff, how):
    from django.core.files.uploadedfile import SimpleUploadedFile

    client = staff("catalog.add_product")
    if how == "body":
        response = client.generic("POST", "/api/v1/catalog-imports", CSV, content_type="text/csv")
    else:
        file = SimpleUploadedFile("produtos.csv", CSV.encode(), content_type="text/csv")
        response = client.post("/api/v1/catalog-imports", {"file": file}, format="multipart")
    assert response.status_code == 200, response.content
    report = response.json()
    assert (report["accepted"], report["products"], report["variants"]) == (1, 1, 1)
    assert [(row["line"], row["code"]) for row in report["rejected"]] == [(3, "product_without_name")]
    assert names(api.get("/api/v1/products?category=casa")) == ["Panela"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("a,b\n1,2\n", 422, "unknown_format"),
        ("", 400, "validation_error"),
        (b"handle,name,sku,price\npanela,P\xe3o,A,1\n", 422, "unreadable_file"),
        ("handle,name,sku,price\n" + "p,P,,1\n" * 10_001, 422, "too_many_rows"),
    ],
)
def test_a_hopeless_file_is_refused_before_anything_is_written(staff, body, status, code):
    response = staff("catalog.add_product").generic("POST", "/api/v1/catalog-imports", body, content_type="text/csv")
    assert problem(response, status)["code"] == code
    assert not Product.objects.exists()


def test_a_form_without_a_file_is_a_mistake(staff):
    response = staff("catalog.add_product").post("/api/v1/catalog-imports", {"file": "texto"}, format="multipart")
    assert problem(response, 400)["errors"][0]["pointer"] == "/file"


def test_no_spreadsheet_takes_a_name_for_a_formula(staff):
    client = staff("catalog.add_product", "catalog.view_product")
    names_given = ["=1+1", "+Vida", "-50%", "@cmd|' /C calc'!A0", "'=1", "'aspas'", "=HYPERLINK(1)"]
    for number, name in enumerate(names_given):
        on_sale(name=name, slug=f"p{number}", brand=name, description=name)
    exported = b"".join(client.get("/api/v1/catalog-exports").streaming_content).decode()
    cells = [cell for row in list(csv.reader(io.StringIO(exported)))[1:] for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    client.generic("POST", "/api/v1/catalog-imports", exported, content_type="text/csv")
    again = Product.objects.order_by("slug").values_list("name", "brand", "description")
    assert list(again) == [(name, name, name) for name in names_given]


def test_what_is_exported_can_be_imported_again(staff):
    client = staff("catalog.add_product", "catalog.view_product")
    client.generic("POST", "/api/v1/catalog-imports", CSV, content_type="text/csv")
    exported = b"".join(client.get("/api/v1/catalog-exports").streaming_content)
    assert exported.decode().splitlines()[1].startswith('panela,Panela,"","",Casa > Cozinha,active')
    before = ProductCatalog.objects.values().get()
    report = client.generic("POST", "/api/v1/catalog-imports", exported, content_type="text/csv").json()
    assert (report["accepted"], report["rejected"]) == (1, [])
    assert ProductCatalog.objects.values().get() == before
    assert Stock.objects.get().on_hand == 3


def test_prices_are_in_the_one_currency_of_orders(staff):
    client, variant = staff("catalog.change_product", "catalog.change_variant"), on_sale(price="15.00")
    euros, url = {"amount": "19.90", "currency": "EUR"}, f"/api/v1/variants/{variant.pk}"
    answers = [
        client.patch(url, {"compare_at_price": euros}, format="json"),
        client.put(f"{url}/price", {"price": euros}, format="json"),
        client.post(f"/api/v1/products/{variant.product_id}/variants", {"sku": "EURO", "price": euros}, format="json"),
    ]
    assert [problem(answer, 400)["errors"][0]["code"] for answer in answers] == ["currency"] * 3
    variant.refresh_from_db()
    assert (variant.price, variant.compare_at_price) == (Decimal("15.00"), None)
