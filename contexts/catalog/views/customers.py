"""What customers do with products."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.catalog import serializers as shapes
from contexts.catalog.queries import products
from contexts.catalog.usecases import wishes
from contexts.catalog.usecases.products import ProductNotFound
from contexts.catalog.usecases.reviews import write_review
from ecommerce import clock
from ecommerce.http.authentication import principal_of
from ecommerce.http.conditional import cacheable
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage, page_of
from ecommerce.http.permissions import Authenticated
from ecommerce.http.renderers import to_json
from ecommerce.http.views import APIView

REVIEWS_SECONDS = 60


def customer_of(request: Request) -> UUID:
    """Return who is asking; the permission of the view has made sure that somebody is."""
    customer_id = principal_of(request).id
    assert customer_id is not None
    return customer_id


class ProductReviews(APIView):
    def get_permissions(self) -> list[BasePermission]:
        return [] if self.request.method in ("GET", "HEAD", "OPTIONS") else [Authenticated()]

    @extend_schema(tags=["catalog"], summary="Reviews of a product", auth=[], responses=shapes.ReviewPageShape)
    def get(self, request: Request, product_id: UUID) -> Response:
        page = CursorPage.from_request(request, default=10, types=(datetime, UUID))
        rows = products.approved_reviews(product_id, limit=page.limit + 1, after=page.after)
        if rows is None:
            raise ProductNotFound("O produto não existe.")
        body = page_of(page, rows, key=lambda row: [row["created_at"], row["id"]])
        return cacheable(request, body, seconds=REVIEWS_SECONDS)

    @extend_schema(
        tags=["catalog"],
        summary="Review a product that was delivered",
        description="403 `not_purchased`, 409 `already_reviewed`. Shown once staff approved it.",
        request=shapes.NewReviewSerializer,
        responses={201: shapes.ReviewShape},
    )
    def post(self, request: Request, product_id: UUID) -> Response:
        given = validated(shapes.NewReviewSerializer, request.data)
        review = write_review(product_id=product_id, customer_id=customer_of(request), now=clock.now(), **given)
        body = {name: getattr(review, name) for name in (*products.REVIEW_FIELDS, "status")}
        return Response(body, status=201)


class FavouriteList(APIView):
    @extend_schema(tags=["catalog"], summary="My favourites, newest first", responses=shapes.ProductPageShape)
    def get(self, request: Request) -> Response:
        page = CursorPage.from_request(request, types=(datetime, UUID))
        rows = products.favourite_products(customer_of(request), limit=page.limit + 1, after=page.after)
        body = page_of(page, rows, key=lambda row: [row[1], row[2]])
        documents = ",".join([row[0] for row in body["results"]])
        return Response(b'{"results":[%s],"next":%s}' % (documents.encode(), to_json(body["next"])))


class FavouriteDetail(APIView):
    @extend_schema(tags=["catalog"], summary="Keep a favourite", request=None, responses={204: None})
    def put(self, request: Request, product_id: UUID) -> Response:
        wishes.add_favourite(customer_id=customer_of(request), product_id=product_id, now=clock.now())
        return Response(status=204)

    @extend_schema(tags=["catalog"], summary="Forget a favourite", responses={204: None})
    def delete(self, request: Request, product_id: UUID) -> Response:
        wishes.remove_favourite(customer_id=customer_of(request), product_id=product_id)
        return Response(status=204)


class StockAlertDetail(APIView):
    @extend_schema(
        tags=["catalog"],
        summary="Tell me when it is back",
        description="409 `variant_in_stock` when it is not sold out.",
        request=None,
        responses={204: None},
    )
    def put(self, request: Request, variant_id: UUID) -> Response:
        wishes.ask_stock_alert(customer_id=customer_of(request), variant_id=variant_id, now=clock.now())
        return Response(status=204)

    @extend_schema(tags=["catalog"], summary="Do not tell me", responses={204: None})
    def delete(self, request: Request, variant_id: UUID) -> Response:
        wishes.drop_stock_alert(customer_id=customer_of(request), variant_id=variant_id)
        return Response(status=204)
