from typing import Any

import pytest
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ecommerce.http.schema import component_name, page
from ecommerce.http.serializers import MoneyField
from ecommerce.http.views import APIView


class ProductSchema(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    price = MoneyField()


class Products(APIView):
    permission_classes = ()

    @extend_schema(responses=page(ProductSchema), tags=["catalog"], summary="List")
    def get(self, request: Request) -> Response:
        return Response()


class Product(APIView):
    @extend_schema(request=ProductSchema, responses=ProductSchema, tags=["catalog"], summary="Change")
    def put(self, request: Request, product_id: str) -> Response:
        return Response()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    patterns = [
        path("api/v1/products", Products.as_view()),
        path("api/v1/products/<uuid:product_id>", Product.as_view()),
    ]
    result: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    return result


def test_the_version_is_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")


def test_a_public_operation_needs_no_token_and_others_do(schema: dict[str, Any]) -> None:
    assert {} in schema["paths"]["/api/v1/products"]["get"]["security"]
    assert schema["paths"]["/api/v1/products/{product_id}"]["put"]["security"] == [{"BearerToken": []}]
    assert schema["components"]["securitySchemes"]["BearerToken"]["scheme"] == "bearer"


def test_operations_are_named_after_method_and_path(schema: dict[str, Any]) -> None:
    assert schema["paths"]["/api/v1/products"]["get"]["operationId"] == "get_products"
    assert schema["paths"]["/api/v1/products/{product_id}"]["put"]["operationId"] == "put_products_by_product_id"


@pytest.mark.parametrize(
    ("module", "name", "component"),
    [
        ("contexts.cart.serializers", "LineSchema", "CartLine"),
        ("contexts.cart.serializers", "CartSerializer", "Cart"),
        ("contexts.order.serializers.lines", "LineSchema", "OrderLine"),
        ("ecommerce.http.serializers", "Page", "Page"),
    ],
)
def test_the_same_word_in_two_contexts_makes_two_components(module: str, name: str, component: str) -> None:
    assert component_name(type(name, (serializers.Serializer,), {"__module__": module})) == component


def test_every_operation_says_how_it_fails(schema: dict[str, Any]) -> None:
    public = schema["paths"]["/api/v1/products"]["get"]["responses"]
    private = schema["paths"]["/api/v1/products/{product_id}"]["put"]["responses"]

    assert set(public) == {"200", "429", "default"}
    assert set(private) == {"200", "400", "401", "403", "404", "429", "default"}
    content = schema["components"]["responses"]["Problem"]["content"]
    assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert "code" in schema["components"]["schemas"]["Problem"]["properties"]


def test_a_page_and_money_are_described_once(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]

    assert set(schemas["ProductPage"]["properties"]) == {"results", "next"}
    assert schemas["Money"]["properties"]["amount"]["type"] == "string"
    assert schemas["Product"]["properties"]["price"] == {"$ref": "#/components/schemas/Money"}


def test_two_lists_of_the_same_things_share_a_page() -> None:
    assert page(ProductSchema) is page(ProductSchema)
