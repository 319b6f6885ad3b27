from __future__ import annotations

import csv
import io
from decimal import Decimal
from uuid import UUID

import orjson
import pytest

from contexts.catalog.models import (
    Favourite,
    MovementKind,
    PriceChange,
    Product,
    ProductCatalog,
    Review,
    ReviewStatus,
    Stock,
    StockAlert,
    StockMovement,
    Variant,
    VerifiedPurchase,
)
from contexts.catalog.usecases.reviews import moderate_reviews
from ecommerce.ids import new_id
from tests.contexts.catalog.factories import (
    NOON,
    CategoryFactory,
    ProductFactory,
    ReviewFactory,
    on_sale,
    show,
    variant_of,
)

pytestmark = pytest.mark.django_db(databases=["catalog"])
BRL_15 = {"amount": "15.00", "currency": "BRL"}
UNKNOWN = UUID("0199c7a1-4be0-7d5c-9a52-000000000000")
"""An id that nothing has."""


def names(response):
    assert response.status_code == 200, response.content
    return [product["name"] for product in orjson.loads(response.content)["results"]]


def problem(response, status):
    assert response.status_code == status, response.content
    return orjson.loads(response.content)


# --- lists -----------------------------------------------------------------------------------------------------------
def test_a_category_lists_what_is_in_it_and_below_it_by_slug_or_id(api):
    home = CategoryFactory.create(slug="casa")
    kitchen = CategoryFactory.create(slug="cozinha", parent=home)
    on_sale(name="Panela", category=kitchen)
    on_sale(name="Vaso", category=home)
    on_sale(name="Livro")
    assert sorted(names(api.get("/api/v1/products?category=casa"))) == ["Panela", "Vaso"]
    assert names(api.get(f"/api/v1/products?category={kitchen.pk}")) == ["Panela"]
    for unknown in ("nenhuma", new_id(), f"urn:uuid:{new_id()}"):
        assert names(api.get(f"/api/v1/products?category={unknown}")) == []


def test_filters_work_alone_and_together(api):
    on_sale(name="Barato", price="10.00", brand="Ipê")
    on_sale(name="Caro", price="90.00", brand="Ipê")
    on_sale(name="Esgotado", price="50.00", brand="Lumiar", stock=0)
    rated = on_sale(name="Bom", price="50.00", brand="Aurora").product
    ReviewFactory.create(product=rated, rating=4)
    show(rated)
    assert sorted(names(api.get("/api/v1/products?price_min=20&price_max=60"))) == ["Bom", "Esgotado"]
    assert names(api.get("/api/v1/products?available=false")) == ["Esgotado"]
    assert sorted(names(api.get("/api/v1/products?brand=Ip%C3%AA&brand=Lumiar"))) == ["Barato", "Caro", "Esgotado"]
    assert names(api.get("/api/v1/products?rating_min=3.5")) == ["Bom"]
    assert names(api.get("/api/v1/products?available=true&brand=Aurora&price_max=60")) == ["Bom"]


def test_a_price_range_fits_when_any_variant_may_be_in_it(api):
    product = ProductFactory.create(name="Camiseta")
    variant_of(product, price="10.00")
    variant_of(product, price="100.00")
    assert names(api.get("/api/v1/products?price_min=80")) == ["Camiseta"]
    assert names(api.get("/api/v1/products?price_max=20")) == ["Camiseta"]
    assert names(api.get("/api/v1/products?price_min=101")) == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("price", ["A", "B", "C"]),
        ("-price", ["C", "B", "A"]),
        ("-created_at", ["C", "B", "A"]),
        ("-sales", ["B", "C", "A"]),
        ("-rating", ["B", "C", "A"]),
    ],
)
def test_sorts(api, sort, expected):
    for price, name in enumerate("ABC", start=1):
        on_sale(name=name, price=f"{price}.00")
    ProductCatalog.objects.filter(product__name="B").update(sales_count=7, rating_average=Decimal("4.5"))
    assert names(api.get(f"/api/v1/products?sort={sort}")) == expected


@pytest.mark.parametrize("sort", ["price", "-price", "-created_at", "-sales", "-rating"])
def test_pages_follow_each_other_without_gap_or_repetition_even_among_equals(api, sort):
    for number in range(7):
        on_sale(name=f"P{number}", price="10.00" if number < 5 else "20.00")
    whole = names(api.get(f"/api/v1/products?sort={sort}&limit=100"))
    found, url = [], f"/api/v1/products?sort={sort}&limit=3"
    while url:
        page = api.get(url)
        found += names(page)
        url = orjson.loads(page.content)["next"]
    assert found == whole
    assert len(found) == 7


def test_pages_of_a_search_follow_each_other(api):
    for number in range(5):
        on_sale(name=f"Café {'café ' * number}")
    for words in ("café", "kafé"):
        first = orjson.loads(api.get(f"/api/v1/products?q={words}&limit=3").content)
        second = orjson.loads(api.get(first["next"]).content)
        ids = [product["id"] for product in first["results"] + second["results"]]
        assert len(set(ids)) == len(ids) == 5


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cafe", True),
        ("CAFÉ", True),
        ("cafes", True),
        ("moedor cafe", True),
        ("moedr", True),
        ("kafé", True),
        ("ipe", True),
        ("MOE-77", True),
        ("chaleira", False),
        ("!!!", False),
        ("café -moedor", False),
    ],
)
def test_search_forgives_accents_plurals_and_typing_errors(api, words, found):
    variant_of(ProductFactory.create(name="Moedor de café", brand="Ipê"), sku="MOE-77")
    on_sale(name="Travesseiro de espuma")
    response = api.get("/api/v1/products", {"q": words})
    assert names(response) == (["Moedor de café"] if found else [])


def test_the_name_weighs_more_than_the_description(api):
    on_sale(name="Prateleira", description="Para guardar livros")
    on_sale(name="Livros de receitas")
    assert names(api.get("/api/v1/products?q=livros")) == ["Livros de receitas", "Prateleira"]


def test_facets_count_what_another_choice_would_find(api):
    kitchen, books = CategoryFactory.create(name="Cozinha"), CategoryFactory.create(name="Livros")
    on_sale(category=kitchen, brand="Ipê", price="30.00")
    on_sale(category=kitchen, brand="Lumiar", price="150.00")
    on_sale(category=books, brand="Ipê", price="60.00")
    facets = orjson.loads(api.get("/api/v1/products?facets=1&brand=Ip%C3%AA").content)["facets"]
    assert {brand["name"]: brand["count"] for brand in facets["brands"]} == {"Ipê": 2, "Lumiar": 1}
    assert {category["name"]: category["count"] for category in facets["categories"]} == {"Cozinha": 1, "Livros": 1}
    assert facets["prices"] == [{"min": "0", "max": "50", "count": 1}, {"min": "50", "max": "100", "count": 1}]


@pytest.mark.parametrize("query", ["q=moedor", "q=moedr", "category=cozinha", "price_min=1&brand=Ip%C3%AA"])
def test_facets_go_with_every_filter(api, query):
    on_sale(name="Moedor", brand="Ipê", category=CategoryFactory.create(slug="cozinha"))
    facets = orjson.loads(api.get(f"/api/v1/products?facets=1&{query}").content)["facets"]
    assert facets["brands"] == [{"name": "Ipê", "count": 1}]


@pytest.mark.parametrize(
    "query",
    [
        "sort=nome", "sort=similarity", "sort=relevance", "price_min=muito", "price_max=NaN", "available=talvez",
        "limit=0", "cursor=xyz", "price_min=1e-20000", "rating_min=1e13",
        pytest.param(f"price_min=1.{'1' * 17_000}", id="many digits"),
    ],
)  # fmt: skip
def test_a_question_we_do_not_understand_is_a_problem(api, query):
    assert problem(api.get(f"/api/v1/products?{query}"), 400)["code"] in ("validation_error", "invalid_cursor")


def test_a_cursor_of_another_sort_is_refused(api):
    for _ in range(3):
        on_sale()
    following = orjson.loads(api.get("/api/v1/products?sort=price&limit=1").content)["next"]
    assert problem(api.get(following.replace("sort=price", "sort=-sales")), 400)["code"] == "invalid_cursor"


@pytest.mark.parametrize("number", [1, 30])
@pytest.mark.parametrize(
    ("query", "expected"),
    [("category=casa", 1), ("q=panela", 1), ("sort=price&available=true", 1), ("category=casa&facets=1", 2)],
)
def test_a_list_is_one_statement_whatever_its_size(api, statements, number, query, expected):
    home = CategoryFactory.create(slug="casa")
    for _ in range(number):
        on_sale(name="Panela", category=home)
    with statements() as executed:
        assert len(names(api.get(f"/api/v1/products?{query}&limit=24"))) == min(number, 24)
    assert len(executed) == expected


# --- one product, categories, caching --------------------------------------------------------------------------------
def test_a_product_is_found_by_slug_or_id_with_fresh_stock_in_one_statement(api, statements):
    variant = on_sale(name="Panela", slug="panela", stock=5)
    Stock.objects.update(reserved=2)
    for named in ("panela", variant.product_id):
        with statements() as executed:
            body = orjson.loads(api.get(f"/api/v1/products/{named}").content)
        assert len(executed) == 1
        assert body["name"] == "Panela"
        assert body["stock"] == {str(variant.pk): 3}


@pytest.mark.parametrize("named", ["nenhum", UNKNOWN, f"urn:uuid:{UNKNOWN}", "nul%00o"])
def test_an_unknown_product_is_not_found(api, named):
    assert problem(api.get(f"/api/v1/products/{named}"), 404)["code"] == "product_not_found"


def test_categories_come_as_a_tree(api, statements):
    home = CategoryFactory.create(name="Casa", position=1)
    CategoryFactory.create(name="Cozinha", parent=home)
    CategoryFactory.create(name="Moda", position=0)
    with statements() as executed:
        tree = orjson.loads(api.get("/api/v1/categories").content)
    assert len(executed) == 1
    assert [(node["name"], [child["name"] for child in node["children"]]) for node in tree] == [
        ("Moda", []),
        ("Casa", ["Cozinha"]),
    ]


@pytest.mark.parametrize("path", ["products", "products/panela", "categories"])
def test_guests_may_cache_and_ask_whether_anything_changed(api, path):
    on_sale(name="Panela", slug="panela")
    first = api.get(f"/api/v1/{path}")
    assert first["Cache-Control"].startswith("public, max-age=")
    assert api.get(f"/api/v1/{path}", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    Product.objects.update(name="Caçarola")
    Category = Product.objects.get().category
    Category.name = "Outra"
    Category.save()
    show(Product.objects.get())
    assert api.get(f"/api/v1/{path}", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


# --- customers -------------------------------------------------------------------------------------------------------
def bought(product, customer_id):
    VerifiedPurchase.objects.create(
        customer_id=customer_id, product_id=product.pk, order_id=new_id(), delivered_at=NOON
    )


def test_only_buyers_review_and_only_approved_reviews_are_shown(api, as_customer):
    product, customer_id = on_sale().product, new_id()
    url, words = f"/api/v1/products/{product.pk}/reviews", {"author_name": "Ana", "rating": 5, "title": "Ótimo"}
    assert problem(api.post(url, words, format="json"), 401)
    client = as_customer(customer_id)
    assert problem(client.post(url, words, format="json"), 403)["code"] == "not_purchased"
    bought(product, customer_id)
    created = client.post(url, words, format="json")
    assert created.status_code == 201
    assert problem(client.post(url, words, format="json"), 409)["code"] == "already_reviewed"
    assert api.get(url).json()["results"] == []
    moderate_reviews(ids=[Review.objects.get().pk], approve=True, by=None, now=NOON)
    (shown,) = api.get(url).json()["results"]
    assert (shown["author_name"], shown["rating"], shown["verified_purchase"]) == ("Ana", 5, True)
    assert "customer_id" not in shown
    assert '"rating": {"count": 1' in ProductCatalog.objects.get().document


@pytest.mark.parametrize("rating", [0, 6, "muitas"])
def test_stars_are_one_to_five(as_customer, rating):
    url = f"/api/v1/products/{on_sale().product_id}/reviews"
    response = as_customer().post(url, {"author_name": "Ana", "rating": rating}, format="json")
    assert problem(response, 400)["errors"][0]["pointer"] == "/rating"


def test_reviews_of_an_unknown_product_are_not_found(api, as_customer):
    url = f"/api/v1/products/{new_id()}/reviews"
    assert problem(api.get(url), 404)["code"] == "product_not_found"
    response = as_customer().post(url, {"author_name": "Ana", "rating": 5}, format="json")
    assert problem(response, 404)["code"] == "product_not_found"


@pytest.mark.parametrize("number", [1, 5])
def test_reviews_are_paged_by_one_statement(api, statements, number):
    product = on_sale().product
    for _ in range(number):
        ReviewFactory.create(product=product)
    with statements() as executed:
        page = api.get(f"/api/v1/products/{product.pk}/reviews?limit=3").json()
    assert len(executed) == 1
    assert len(page["results"]) == min(number, 3)
    assert bool(page["next"]) == (number > 3)


def test_favourites_are_kept_listed_newest_first_and_forgotten(as_customer, statements):
    client, other = as_customer(), as_customer()
    first, second = on_sale(name="Primeiro"), on_sale(name="Segundo")
    for variant in (first, second, second):
        assert client.put(f"/api/v1/me/favourites/{variant.product_id}").status_code == 204
    with statements() as executed:
        assert names(client.get("/api/v1/me/favourites")) == ["Segundo", "Primeiro"]
    assert len(executed) == 1
    assert names(other.get("/api/v1/me/favourites")) == []
    assert client.delete(f"/api/v1/me/favourites/{second.product_id}").status_code == 204
    page = orjson.loads(client.get("/api/v1/me/favourites?limit=1").content)
    assert (len(page["results"]), page["next"]) == (1, None)
    assert problem(client.put(f"/api/v1/me/favourites/{new_id()}"), 404)["code"] == "product_not_found"
    assert Favourite.objects.count() == 1


def test_an_alert_is_for_what_is_sold_out(as_customer):
    client, gone, here = as_customer(), on_sale(stock=0), on_sale(stock=1)
    for _ in range(2):
        assert client.put(f"/api/v1/variants/{gone.pk}/stock-alert").status_code == 204
    assert StockAlert.objects.count() == 1
    assert problem(client.put(f"/api/v1/variants/{here.pk}/stock-alert"), 409)["code"] == "variant_in_stock"
    assert problem(client.put(f"/api/v1/variants/{new_id()}/stock-alert"), 404)["code"] == "variant_not_found"
    assert client.delete(f"/api/v1/variants/{gone.pk}/stock-alert").status_code == 204
    assert not StockAlert.objects.exists()


@pytest.mark.parametrize(("method", "path"), [("get", "me/favourites"), ("put", f"variants/{UNKNOWN}/stock-alert")])
def test_guests_keep_nothing(api, method, path):
    assert problem(getattr(api, method)(f"/api/v1/{path}"), 401)


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
