"""Orders as their buyers see them, and what staff does with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.order.domain import Status
from contexts.order.queries import orders_matching, orders_of, sales_between
from contexts.order.serializers import (
    CancelSerializer,
    OrderRowSchema,
    OrderSchema,
    SalesSchema,
    ShipmentSchema,
    ShipmentSerializer,
    ShippingMethodSerializer,
    TrackingEventSerializer,
    TrackingSchema,
)
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.configure_shipping import put_shipping_method
from contexts.order.usecases.fulfil import ship_order, track_shipment
from contexts.order.usecases.look_again import look_again
from contexts.order.views.access import ORDER_TOKEN, is_theirs
from contexts.order.views.documents import order_document, order_row, tracking_document
from contexts.order.views.requests import CHANGE, SEE, actor_of, visible_order
from ecommerce import clock
from ecommerce.http import schema
from ecommerce.http.authentication import principal_of
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView

PAGE = [OpenApiParameter("limit", int), OpenApiParameter("cursor", str)]


class OrdersView(APIView):
    @extend_schema(parameters=PAGE, responses=schema.page(OrderRowSchema), tags=["order"], summary="Meus pedidos")
    def get(self, request: Request) -> Response:
        customer_id = principal_of(request).id
        assert customer_id is not None
        page = _page(request)
        return _rows(page, orders_of(customer_id=customer_id, limit=page.limit, after=page.after))


class OrderView(APIView):
    permission_classes = ()

    @extend_schema(responses={200: OrderSchema}, parameters=[ORDER_TOKEN], tags=["order"], summary="Um pedido")
    def get(self, request: Request, order_id: UUID) -> Response:
        order = visible_order(request, order_id, SEE)
        payments = list(order.payments.order_by("position"))
        if look_again(payments=payments, now=clock.now()):
            order.refresh_from_db()
            payments = list(order.payments.order_by("position"))
        lines = order.lines.order_by("position")
        return Response(order_document(order, lines, payments, for_buyer=is_theirs(request, order)))


class TrackingView(APIView):
    permission_classes = ()

    @extend_schema(
        responses={200: TrackingSchema}, parameters=[ORDER_TOKEN], tags=["order"], summary="Onde está o pedido"
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        order = visible_order(request, order_id, SEE)
        shipments = order.shipments.prefetch_related("events").order_by("shipped_at", "id")
        changes = order.timeline.filter(to_status__in=[status.value for status in Status]).order_by("version")
        return Response(tracking_document(order, shipments, changes))


class CancelView(APIView):
    permission_classes = ()

    @extend_schema(
        request=CancelSerializer, responses={200: OrderSchema}, parameters=[ORDER_TOKEN], tags=["order"],
        summary="Cancelar um pedido que ainda não foi enviado",
    )  # fmt: skip
    def post(self, request: Request, order_id: UUID) -> Response:
        data = validated(CancelSerializer, request.data)
        order = visible_order(request, order_id, CHANGE)
        cancel_order(order_id=order_id, reason=data["reason"], actor=actor_of(request), now=clock.now())
        order.refresh_from_db()
        lines, payments = order.lines.order_by("position"), order.payments.order_by("position")
        return Response(order_document(order, lines, payments, for_buyer=is_theirs(request, order)))


class StaffOrdersView(APIView):
    permission_classes = (HasScope(SEE),)

    @extend_schema(
        responses=schema.page(OrderRowSchema), tags=["order"], summary="Todos os pedidos (equipe)",
        parameters=[OpenApiParameter("status", str), OpenApiParameter("email", str), *PAGE],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        page, query = _page(request), request.query_params
        rows = orders_matching(status=query.get("status"), email=query.get("email"), limit=page.limit, after=page.after)
        return _rows(page, rows)


class ShipmentsView(APIView):
    permission_classes = (HasScope("order.add_shipment"),)

    @extend_schema(
        request=ShipmentSerializer, responses={201: ShipmentSchema}, tags=["order"], summary="Enviar um pacote (equipe)"
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        data = validated(ShipmentSerializer, request.data)
        quantities = None if data["lines"] is None else {line["line_id"]: line["quantity"] for line in data["lines"]}
        shipment = ship_order(
            order_id=order_id,
            carrier=data["carrier"],
            tracking_code=data["tracking_code"],
            quantities=quantities,
            actor=actor_of(request),
            now=clock.now(),
        )
        return Response({"id": shipment.id, "order_id": order_id, "tracking_code": shipment.tracking_code}, 201)


class TrackingEventsView(APIView):
    permission_classes = (HasScope("order.change_shipment"),)

    @extend_schema(
        request=TrackingEventSerializer, responses={204: None}, tags=["order"],
        summary="Evento da transportadora (equipe)",
    )  # fmt: skip
    def post(self, request: Request, shipment_id: UUID) -> Response:
        data = validated(TrackingEventSerializer, request.data)
        now = clock.now()
        track_shipment(
            shipment_id=shipment_id,
            status=data["status"],
            description=data["description"],
            location=data["location"],
            at=data["at"] or now,
            actor=actor_of(request),
            now=now,
        )
        return Response(status=204)


class ShippingMethodView(APIView):
    permission_classes = (HasScope("order.change_shippingmethod"),)

    @extend_schema(
        request=ShippingMethodSerializer, responses={204: None}, tags=["order"],
        summary="Criar ou substituir uma forma de envio e sua tabela de preços (equipe)",
    )  # fmt: skip
    def put(self, request: Request, code: str) -> Response:
        put_shipping_method(code=code, **validated(ShippingMethodSerializer, request.data))
        return Response(status=204)


class SalesView(APIView):
    permission_classes = (HasScope("order.view_dailysales"),)

    @extend_schema(
        responses={200: SalesSchema}, tags=["order"], summary="Vendas por dia (equipe)",
        parameters=[OpenApiParameter("days", int, description="Quantos dias até hoje, no máximo 400.")],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        given = request.query_params.get("days", "30")
        days = min(int(given[:9]), 400) if given.isascii() and given.isdigit() else 30
        now = clock.now()
        return Response({"results": sales_between(first=now - timedelta(days=days), last=now)})


def _page(request: Request) -> CursorPage:
    return CursorPage.from_request(request, default=20, maximum=100, types=(datetime, UUID))


def _rows(page: CursorPage, rows: list[dict[str, Any]]) -> Response:
    found = [order_row(row) for row in rows]
    return page.respond(found, key=lambda row: [row["placed_at"].astimezone(UTC), row["id"]])
