"""The staff API of promotion."""

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.promotion import serializers as schemas
from contexts.promotion.queries import backoffice
from contexts.promotion.usecases import campaigns, coupons
from ecommerce.http.conditional import etag_of, require_match
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage
from ecommerce.http.schema import page
from ecommerce.http.views import StaffView

TAGS = ["promotion"]


class CampaignsView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": "promotion.view_campaign", "POST": "promotion.add_campaign"}

    @extend_schema(
        summary="Campanhas",
        parameters=[schemas.CampaignFilter],
        responses=page(schemas.CampaignRowSchema),
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        filters = validated(schemas.CampaignFilter, request.query_params)
        cursor = CursorPage.from_request(request, types=(UUID,))
        rows = backoffice.list_campaigns(limit=cursor.limit + 1, after=_last(cursor), **filters)
        return cursor.respond(rows, key=lambda row: [row["id"]])

    @extend_schema(
        summary="Criar campanha", request=schemas.NewCampaign, responses={201: schemas.CampaignSchema}, tags=TAGS
    )
    def post(self, request: Request) -> Response:
        campaign_id = campaigns.create_campaign(values=validated(schemas.NewCampaign, request.data))
        return _campaign(campaign_id, status.HTTP_201_CREATED)


class CampaignView(StaffView):
    scopes: ClassVar[dict[str, str]] = {
        "GET": "promotion.view_campaign",
        "PATCH": "promotion.change_campaign",
        "DELETE": "promotion.delete_campaign",
    }

    @extend_schema(summary="Uma campanha com seus descontos", responses=schemas.CampaignSchema, tags=TAGS)
    def get(self, request: Request, campaign_id: UUID) -> Response:
        return _campaign(campaign_id)

    @extend_schema(
        summary="Alterar campanha (If-Match)",
        request=schemas.CampaignChanges,
        responses=schemas.CampaignSchema,
        tags=TAGS,
    )
    def patch(self, request: Request, campaign_id: UUID) -> Response:
        values = validated(schemas.CampaignChanges, request.data, partial=True)
        campaigns.change_campaign(campaign_id=campaign_id, values=values, check_version=partial(require_match, request))
        return _campaign(campaign_id)

    @extend_schema(summary="Excluir campanha sem cupons (If-Match)", responses={204: None}, tags=TAGS)
    def delete(self, request: Request, campaign_id: UUID) -> Response:
        campaigns.delete_campaign(campaign_id=campaign_id, check_version=partial(require_match, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DiscountsView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": "promotion.change_campaign"}

    @extend_schema(
        summary="Adicionar desconto à campanha",
        request=schemas.NewDiscount,
        responses={201: schemas.CampaignSchema},
        tags=TAGS,
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        campaigns.add_discount(campaign_id=campaign_id, values=validated(schemas.NewDiscount, request.data))
        return _campaign(campaign_id, status.HTTP_201_CREATED)


class DiscountView(StaffView):
    scopes: ClassVar[dict[str, str]] = {
        "PATCH": "promotion.change_campaign",
        "DELETE": "promotion.change_campaign",
    }

    @extend_schema(
        summary="Alterar desconto (If-Match da campanha)",
        request=schemas.NewDiscount,
        responses=schemas.CampaignSchema,
        tags=TAGS,
    )
    def patch(self, request: Request, campaign_id: UUID, discount_id: UUID) -> Response:
        campaigns.change_discount(
            campaign_id=campaign_id,
            discount_id=discount_id,
            values=validated(schemas.NewDiscount, request.data, partial=True),
            check_version=partial(require_match, request),
        )
        return _campaign(campaign_id)

    @extend_schema(summary="Excluir desconto sem cupons (If-Match da campanha)", responses={204: None}, tags=TAGS)
    def delete(self, request: Request, campaign_id: UUID, discount_id: UUID) -> Response:
        campaigns.delete_discount(
            campaign_id=campaign_id, discount_id=discount_id, check_version=partial(require_match, request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class CouponsView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": "promotion.view_coupon", "POST": "promotion.add_coupon"}

    @extend_schema(summary="Cupons", parameters=[schemas.CouponFilter], responses=page(schemas.CouponSchema), tags=TAGS)
    def get(self, request: Request) -> Response:
        filters = validated(schemas.CouponFilter, request.query_params)
        cursor = CursorPage.from_request(request, types=(UUID,))
        rows = backoffice.list_coupons(limit=cursor.limit + 1, after=_last(cursor), **filters)
        return cursor.respond(rows, key=lambda row: [row["id"]])

    @extend_schema(
        summary="Criar cupom", request=schemas.NewCoupon, responses={201: schemas.CouponDetailSchema}, tags=TAGS
    )
    def post(self, request: Request) -> Response:
        values = validated(schemas.NewCoupon, request.data)
        code = coupons.create_coupon(discount_id=values.pop("discount_id"), code=values.pop("code"), values=values)
        return _coupon(code, status.HTTP_201_CREATED)


class CouponBatchesView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": "promotion.add_coupon"}

    @extend_schema(
        summary="Gerar cupons em lote (até 10.000)",
        request=schemas.NewBatch,
        responses={201: schemas.BatchSchema},
        tags=TAGS,
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        values = validated(schemas.NewBatch, request.data)
        generated = coupons.generate_coupons(
            campaign_id=campaign_id, discount_id=values.pop("discount_id"), values=values
        )
        return Response(generated, status=status.HTTP_201_CREATED)


class CouponView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": "promotion.view_coupon", "PATCH": "promotion.change_coupon"}

    @extend_schema(summary="Um cupom", responses=schemas.CouponDetailSchema, tags=TAGS)
    def get(self, request: Request, code: str) -> Response:
        return _coupon(code)

    @extend_schema(
        summary="Alterar cupom (If-Match)",
        request=schemas.CouponChanges,
        responses=schemas.CouponDetailSchema,
        tags=TAGS,
    )
    def patch(self, request: Request, code: str) -> Response:
        values = validated(schemas.CouponChanges, request.data, partial=True)
        coupons.change_coupon(code=code, values=values, check_version=partial(require_match, request))
        return _coupon(code)


class CouponUsageView(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": "promotion.view_coupon"}

    @extend_schema(summary="Usos de um cupom", responses=schemas.CouponUsageSchema, tags=TAGS)
    def get(self, request: Request, code: str) -> Response:
        coupon = _found_coupon(code)
        cursor = CursorPage.from_request(request, types=(UUID,))
        rows = backoffice.list_redemptions(coupon_id=coupon["id"], limit=cursor.limit + 1, after=_last(cursor))
        return cursor.respond(rows, key=lambda row: [row["order_id"]], coupon=coupon)


def _last(cursor: CursorPage) -> UUID | None:
    return cursor.after[0] if cursor.after else None


def _campaign(campaign_id: UUID, code: int = status.HTTP_200_OK) -> Response:
    row = backoffice.get_campaign(campaign_id=campaign_id)
    if row is None:
        raise campaigns.CampaignNotFound("Esta campanha não existe.")
    return Response(row, status=code, headers={"ETag": etag_of(row["version"])})


def _coupon(code: str, http_status: int = status.HTTP_200_OK) -> Response:
    row = _found_coupon(code)
    return Response(row, status=http_status, headers={"ETag": etag_of(row["version"])})


def _found_coupon(code: str) -> dict[str, Any]:
    row = backoffice.get_coupon(code=code)
    if row is None:
        raise coupons.CouponNotFound("Este cupom não existe.")
    return row
