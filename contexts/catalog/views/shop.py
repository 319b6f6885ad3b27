"""What everybody may read: products and categories. The hottest addresses of the shop, so Python touches little."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.catalog import serializers as shapes
from contexts.catalog.queries import listing, products
from contexts.catalog.usecases.products import ProductNotFound
from ecommerce.errors import Forbidden
from ecommerce.http.authentication import principal_of
from ecommerce.http.conditional import cacheable, etag_of
from ecommerce.http.pagination import CursorPage, InvalidCursor, next_url
from ecommerce.http.renderers import to_json
from ecommerce.http.views import APIView

LIST_SECONDS = 30
DETAIL_SECONDS = 15
CATEGORIES_SECONDS = 300
STAFF_SCOPES = ("catalog.view_product", "catalog.change_product", "catalog.add_product")

LIST_PARAMETERS = [
    OpenApiParameter("category", str, description="Slug or id; what is below it is included."),
    OpenApiParameter("q", str, description="Words in Portuguese; accents and small typing errors do not matter."),
    OpenApiParameter("price_min", float),
    OpenApiParameter("price_max", float),
    OpenApiParameter("available", bool),
    OpenApiParameter("brand", str, many=True),
    OpenApiParameter("rating_min", float),
    OpenApiParameter("sort", str, enum=[name for name in listing.SORTS if name != "similarity"]),
    OpenApiParameter("facets", bool, description="1: also count categories, brands and prices."),
    OpenApiParameter("limit", int),
    OpenApiParameter("cursor", str),
]


class ScopeMissing(Forbidden):
    code = "missing_scope"


class ProductList(APIView):
    permission_classes = []

    @extend_schema(
        tags=["catalog"], summary="List products", parameters=LIST_PARAMETERS, responses=shapes.ProductPageShape
    )
    def get(self, request: Request) -> Response:
        filters, sort = shapes.filters_from(request.GET)
        page = CursorPage.from_request(request, types=(str, listing.SORTS[sort].type, UUID))
        mode = page.after[0] if page.after else "exact"
        if mode not in ("exact", "similar"):
            raise InvalidCursor({"cursor": [InvalidCursor.default_detail]})
        after = page.after[1:] if page.after else None
        similar = mode == "similar"
        found = listing.list_products(filters, sort=sort, similar=similar, limit=page.limit, after=after)
        if not found.documents and filters.may_be_misspelt and after is None:
            similar = True
            found = listing.list_products(filters, sort=sort, similar=True, limit=page.limit, after=None)
        body = _body(page, found, mode="similar" if similar else "exact")
        if request.GET.get("facets") == "1":
            body = b'%s,"facets":%s}' % (body[:-1], listing.count_facets(filters, similar=similar).encode())
        return cacheable(request, body, seconds=LIST_SECONDS)


def _body(page: CursorPage, found: listing.Page, *, mode: str) -> bytes:
    following = next_url(page, [mode, *found.last]) if found.last else None
    return b'{"results":[%s],"next":%s}' % (found.documents.encode(), to_json(following))


class ProductDetail(APIView):
    permission_classes = []

    @extend_schema(
        tags=["catalog"],
        summary="One product",
        parameters=[
            OpenApiParameter("named", str, OpenApiParameter.PATH, description="Slug or id."),
            OpenApiParameter("view", str, enum=["staff"], description="staff: what may be changed; drafts as well."),
        ],
        responses=PolymorphicProxySerializer(
            "CatalogProduct", [shapes.ProductDetailShape, shapes.StaffProductShape], resource_type_field_name=None
        ),
    )
    def get(self, request: Request, named: str) -> Response:
        if request.GET.get("view") == "staff":
            return staff_product(request, named)
        body = products.product_detail(named)
        if body is None:
            raise ProductNotFound("O produto não existe.")
        return cacheable(request, body, seconds=DETAIL_SECONDS)


def staff_product(request: Request, named: str, *, status: int = 200) -> Response:
    """Answer with all that staff may change of a product; its version is the ETag.

    Raises:
        ScopeMissing, ProductNotFound
    """
    principal = principal_of(request)
    if not any(principal.has_scope(scope) for scope in STAFF_SCOPES):
        raise ScopeMissing(f"Missing scope: {STAFF_SCOPES[0]}")
    found = products.product_for_staff(named)
    if found is None:
        raise ProductNotFound("O produto não existe.")
    version, body = found
    return Response(body, status=status, headers={"ETag": etag_of(version), "Cache-Control": "private, no-store"})


class CategoryList(APIView):
    permission_classes = []

    @extend_schema(tags=["catalog"], summary="The category tree", responses=shapes.CategoryNodeShape(many=True))
    def get(self, request: Request) -> Response:
        return cacheable(request, products.category_tree(), seconds=CATEGORIES_SECONDS)
