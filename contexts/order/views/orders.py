"""Orders as their buyers see them, and what staff does with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.order.views.tokens import is_access_token
from contexts.order.interface import OrderNotFound
from contexts.order.models import Order
from contexts.order.queries import order_with_details, orders_matching, orders_of, sales_between
from contexts.order.serializers import (
    CancelSerializer,
    OrderDocument,
    OrderPageDocument,
    ShipmentSerializer,
    ShippingMethodSerializer,
    TrackingEventSerializer,
)
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.configure_shipping import put_shipping_method
from contexts.order.usecases.fulfil import ship_order, track_shipment
from contexts.order.views.documents import order_document, order_row, shipment_document
from ecommerce import clock
from ecommerce.http.pagination import CursorPage
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView

ORDER_TOKEN = OpenApiParameter("X-Order-Token", str, OpenApiParameter.HEADER, description="access_token do convidado.")
STAFF = "order.view_order"


class OrdersView(APIView):
    @extend_schema(responses={200: OrderPageDocument}, tags=["orders"], summary="Meus pedidos")
    def get(self, request: Request) -> Response:
        page = _page(request)
        return _rows(page, orders_of(request.user.id, limit=page.limit, after=page.after))


class OrderView(APIView):
    permission_classes = ()

    @extend_schema(responses={200: OrderDocument}, parameters=[ORDER_TOKEN], tags=["orders"], summary="Um pedido")
    def get(self, request: Request, order_id: UUID) -> Response:
        return Response(order_document(_visible(request, order_id)))


class TrackingView(APIView):
    permission_classes = ()

    @extend_schema(responses={200: dict}, parameters=[ORDER_TOKEN], tags=["orders"], summary="Onde está o pedido")
    def get(self, request: Request, order_id: UUID) -> Response:
        order = _visible(request, order_id)
        shipments = sorted(order.shipments.all(), key=lambda shipment: shipment.shipped_at)
        timeline = sorted(order.timeline.all(), key=lambda entry: entry.version)
        return Response(
            {
                "order_id": order.id,
                "status": order.status,
                "shipments": [shipment_document(shipment) for shipment in shipments],
                "timeline": [{"status": entry.to_status, "at": entry.at} for entry in timeline],
            }
        )


class CancelView(APIView):
    permission_classes = ()

    @extend_schema(
        request=CancelSerializer, responses={200: OrderDocument}, parameters=[ORDER_TOKEN], tags=["orders"],
        summary="Cancelar um pedido que ainda não foi enviado",
    )  # fmt: skip
    def post(self, request: Request, order_id: UUID) -> Response:
        data = _valid(CancelSerializer, request)
        order = _visible(request, order_id)
        actor = f"user:{request.user.id}" if request.user.id else "guest"
        cancel_order(order_id=order.id, customer_id=None, reason=data["reason"], actor=actor, now=clock.now())
        return Response(order_document(_visible(request, order_id)))


class StaffOrdersView(APIView):
    permission_classes = (HasScope(STAFF),)  # type: ignore[assignment]

    @extend_schema(
        responses={200: OrderPageDocument}, tags=["staff: orders"], summary="Todos os pedidos",
        parameters=[OpenApiParameter("status", str), OpenApiParameter("email", str)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        page, query = _page(request), request.query_params
        rows = orders_matching(
            status=query.get("status"), email=query.get("email"), limit=page.limit, after=page.after
        )
        return _rows(page, rows)


class ShipmentsView(APIView):
    permission_classes = (HasScope("order.add_shipment"),)  # type: ignore[assignment]

    @extend_schema(request=ShipmentSerializer, responses={201: dict}, tags=["staff: orders"], summary="Enviar um pacote")
    def post(self, request: Request, order_id: UUID) -> Response:
        data = _valid(ShipmentSerializer, request)
        quantities = None if data["lines"] is None else {line["line_id"]: line["quantity"] for line in data["lines"]}
        shipment = ship_order(
            order_id=order_id,
            carrier=data["carrier"],
            tracking_code=data["tracking_code"],
            quantities=quantities,
            actor=f"user:{request.user.id}",
            now=clock.now(),
        )
        return Response({"id": shipment.id, "order_id": order_id, "tracking_code": shipment.tracking_code}, 201)


class TrackingEventsView(APIView):
    permission_classes = (HasScope("order.change_shipment"),)  # type: ignore[assignment]

    @extend_schema(
        request=TrackingEventSerializer, responses={204: None}, tags=["staff: orders"], summary="Evento da transportadora"
    )
    def post(self, request: Request, shipment_id: UUID) -> Response:
        data = _valid(TrackingEventSerializer, request)
        now = clock.now()
        track_shipment(
            shipment_id=shipment_id,
            status=data["status"],
            description=data["description"],
            location=data["location"],
            at=data["at"] or now,
            actor=f"user:{request.user.id}",
            now=now,
        )
        return Response(status=204)


class ShippingMethodView(APIView):
    permission_classes = (HasScope("order.change_shippingmethod"),)  # type: ignore[assignment]

    @extend_schema(
        request=ShippingMethodSerializer, responses={204: None}, tags=["staff: orders"],
        summary="Criar ou substituir uma forma de envio e sua tabela de preços",
    )  # fmt: skip
    def put(self, request: Request, code: str) -> Response:
        put_shipping_method(code=code, **_valid(ShippingMethodSerializer, request))
        return Response(status=204)


class SalesView(APIView):
    permission_classes = (HasScope("order.view_dailysales"),)  # type: ignore[assignment]

    @extend_schema(
        responses={200: dict}, tags=["staff: orders"], summary="Vendas por dia",
        parameters=[OpenApiParameter("days", int, description="Quantos dias até hoje, no máximo 400.")],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        given = request.query_params.get("days", "30")
        days = min(int(given), 400) if given.isascii() and given.isdigit() else 30
        now = clock.now()
        return Response({"results": sales_between(first=now - timedelta(days=days), last=now)})


def _visible(request: Request, order_id: UUID) -> Order:
    """Return an order that the requester may see: its customer, a guest with its token, or staff.

    Raises:
        OrderNotFound: unknown, or not theirs.
    """
    order = order_with_details(order_id)
    user = request.user
    if order is not None and (
        (user.id is not None and order.customer_id == user.id)
        or (user.is_authenticated and user.has_scope(STAFF))
        or is_access_token(request.headers.get("X-Order-Token", ""), order_id)
    ):
        return order
    raise OrderNotFound("Pedido não encontrado.")


def _page(request: Request) -> CursorPage:
    return CursorPage.from_request(request, default=20, maximum=100, types=(datetime, UUID))


def _rows(page: CursorPage, rows: list[dict[str, Any]]) -> Response:
    return page.respond(
        [order_row(row) for row in rows], key=lambda row: [row["placed_at"].astimezone(UTC), row["id"]]
    )


def _valid(serializer: type[Any], request: Request) -> dict[str, Any]:
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    validated: dict[str, Any] = checked.validated_data
    return validated
