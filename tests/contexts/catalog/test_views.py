from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from contexts.catalog.models import (
    Favourite,
    Product,
    ProductCatalog,
    Review,
    Stock,
    StockAlert,
    VerifiedPurchase,
)
from contexts.catalog.usecases.reviews import moderate_reviews
from ecommerce.ids import new_id
from tests.contexts.catalog.conftest import UNKNOWN, names, problem
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
