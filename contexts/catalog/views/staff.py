"""Products, variants, prices, stock and reviews, as staff changes them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.catalog import serializers as shapes
from contexts.catalog.models import MovementKind, ReviewStatus
from contexts.catalog.queries import products
from contexts.catalog.usecases import prices, variants
from contexts.catalog.usecases.products import ProductNotFound, change_product, create_product, remove_products
from contexts.catalog.usecases.reviews import moderate_reviews
from contexts.catalog.usecases.stock import StockEntry, record_stock
from contexts.catalog.views.shop import ProductDetail, ProductList, staff_product
from ecommerce import clock
from ecommerce.http.conditional import require_match
from ecommerce.http.errors import pointers
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView

SAFE = ("GET", "HEAD", "OPTIONS")


class Products(ProductList):
    """``GET`` is everybody's."""

    def get_permissions(self) -> list[HasScope]:
        return [] if self.request.method in SAFE else [HasScope("catalog.add_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Create a product",
        request=shapes.NewProductSerializer,
        responses={201: shapes.StaffProductShape},
    )
    def post(self, request: Request) -> Response:
        given = validated(shapes.NewProductSerializer, request.data)
        product = create_product(product=given, now=clock.now())
        return staff_product(request, str(product.id), status=201)


class OneProduct(ProductDetail):
    """``GET`` is everybody's; the others name the product by id."""

    def get_permissions(self) -> list[HasScope]:
        if self.request.method in SAFE:
            return []
        return [HasScope(f"catalog.{'delete' if self.request.method == 'DELETE' else 'change'}_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Change a product",
        description="`If-Match` with the version that `GET ?view=staff` gave as ETag.",
        request=shapes.ProductFieldsSerializer,
        responses=shapes.StaffProductShape,
    )
    def patch(self, request: Request, named: str) -> Response:
        given = validated(shapes.ProductFieldsSerializer, request.data)
        product_id, version = self._matched(request, named)
        change_product(product_id=product_id, version=version, changes=given, now=clock.now())
        return staff_product(request, named)

    @extend_schema(tags=["catalog: staff"], summary="Remove a product", responses={204: None})
    def delete(self, request: Request, named: str) -> Response:
        if not remove_products(ids=[_id_of(named)], now=clock.now()):
            raise ProductNotFound("O produto não existe.")
        return Response(status=204)

    def _matched(self, request: Request, named: str) -> tuple[UUID, int]:
        product_id = _id_of(named)
        version = products.version_of(product_id)
        if version is None:
            raise ProductNotFound("O produto não existe.")
        require_match(request, version)
        return product_id, version


class ProductVariants(APIView):
    permission_classes = [HasScope("catalog.change_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Add a variant",
        request=shapes.NewVariantSerializer,
        responses={201: shapes.StaffProductShape},
    )
    def post(self, request: Request, product_id: UUID) -> Response:
        given = validated(shapes.NewVariantSerializer, request.data)
        variants.add_variant(product_id=product_id, variant=given, now=clock.now())
        return staff_product(request, str(product_id), status=201)


class OneVariant(APIView):
    permission_classes = [HasScope("catalog.change_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Change a variant",
        request=shapes.VariantPatchSerializer,
        responses=shapes.StaffProductShape,
    )
    def patch(self, request: Request, variant_id: UUID) -> Response:
        given = validated(shapes.VariantPatchSerializer, request.data)
        variant = variants.change_variant(variant_id=variant_id, changes=given)
        return staff_product(request, str(variant.product_id))

    @extend_schema(tags=["catalog: staff"], summary="Remove a variant", responses={204: None})
    def delete(self, request: Request, variant_id: UUID) -> Response:
        variants.remove_variant(variant_id=variant_id, now=clock.now())
        return Response(status=204)


class VariantPrice(APIView):
    permission_classes = [HasScope("catalog.change_product")]

    @extend_schema(
        tags=["catalog: staff"], summary="Set a price", request=shapes.PriceSerializer, responses={204: None}
    )
    def put(self, request: Request, variant_id: UUID) -> Response:
        given = validated(shapes.PriceSerializer, request.data)
        prices.change_price(variant_id=variant_id, price=given["price"], actor_id=request.user.id, now=clock.now())
        return Response(status=204)


class PriceChanges(APIView):
    permission_classes = [HasScope("catalog.change_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Set up to 1,000 prices",
        description="Rows that cannot be done are reported; the others are done together.",
        request=shapes.PriceRowSerializer(many=True),
        responses=shapes.PriceReportShape,
    )
    def post(self, request: Request) -> Response:
        rows = request.data
        if not isinstance(rows, list) or not 0 < len(rows) <= shapes.MAX_BULK:
            raise ValidationError(f"Envie uma lista de 1 a {shapes.MAX_BULK} preços.")
        accepted, rejected = [], []
        for number, row in enumerate(rows):
            given = shapes.PriceRowSerializer(data=row)
            if given.is_valid():
                accepted.append(prices.NewPrice(row=number, **given.validated_data))
            else:
                fault = next(pointers(given.errors))
                detail = f"{fault['pointer']}: {fault['detail']}".removeprefix(": ")
                rejected.append(prices.Rejection(row=number, code="invalid", detail=detail))
        report = prices.change_prices(prices=accepted, actor_id=request.user.id, now=clock.now())
        report.rejected = sorted(rejected + report.rejected, key=lambda rejection: rejection.row)
        return Response(report)


class StockMovements(APIView):
    permission_classes = [HasScope("catalog.change_stock")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Book goods in, back or corrected",
        description="All movements or none. 409 `stock_too_low` when reserved pieces would be missing.",
        request=shapes.StockMovementsSerializer,
        responses={201: shapes.StockChangeShape(many=True)},
    )
    def post(self, request: Request) -> Response:
        given = validated(shapes.StockMovementsSerializer, request.data)
        entries = [StockEntry(**{**row, "kind": MovementKind(row["kind"])}) for row in given["movements"]]
        changes = record_stock(entries=entries, reason=given["reason"], actor_id=request.user.id, now=clock.now())
        return Response(changes, status=201)


class Reviews(APIView):
    permission_classes = [HasScope("catalog.view_review")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Reviews to moderate, newest first",
        parameters=[OpenApiParameter("status", str, enum=ReviewStatus.values, default=ReviewStatus.PENDING.value)],
        responses=shapes.StaffReviewPageShape,
    )
    def get(self, request: Request) -> Response:
        status = request.GET.get("status", ReviewStatus.PENDING)
        if status not in ReviewStatus.values:
            raise ValidationError({"status": [f"Deve ser um de: {', '.join(ReviewStatus.values)}."]})
        page = CursorPage.from_request(request, types=(datetime, UUID))
        rows = products.reviews_by_status(status, limit=page.limit + 1, after=page.after)
        return page.respond(rows, key=lambda row: [row["created_at"], row["id"]])


class ReviewApproval(APIView):
    permission_classes = [HasScope("catalog.change_review")]

    @extend_schema(tags=["catalog: staff"], summary="Show a review", request=None, responses={204: None})
    def post(self, request: Request, review_id: UUID) -> Response:
        moderate_reviews(ids=[review_id], approve=True, by=request.user.id, now=clock.now())
        return Response(status=204)


class ReviewRejection(APIView):
    permission_classes = [HasScope("catalog.change_review")]

    @extend_schema(tags=["catalog: staff"], summary="Keep a review out", request=None, responses={204: None})
    def post(self, request: Request, review_id: UUID) -> Response:
        moderate_reviews(ids=[review_id], approve=False, by=request.user.id, now=clock.now())
        return Response(status=204)


def _id_of(named: str) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        raise ProductNotFound("Informe o id do produto.") from None
