"""Returns, as buyers ask for them. Staff answers in the back office."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.order.domain.returns import Reason
from contexts.order.models import ReturnRequest
from contexts.order.queries import return_by_id, returns_of
from contexts.order.serializers import ReturnSchema, ReturnSerializer, ReturnsSchema
from contexts.order.usecases.place_order import Claim
from contexts.order.usecases.returns import ReturnWish, request_return
from contexts.order.views.access import ORDER_TOKEN
from contexts.order.views.documents import return_document
from contexts.order.views.requests import CHANGE, KEY, SEE, actor_of, answered_once, visible_order
from ecommerce import clock
from ecommerce.http.input import validated
from ecommerce.http.views import APIView


class ReturnsView(APIView):
    permission_classes = ()

    @extend_schema(
        responses={200: ReturnsSchema}, parameters=[ORDER_TOKEN], tags=["order"],
        summary="Devoluções pedidas de um pedido",
    )  # fmt: skip
    def get(self, request: Request, order_id: UUID) -> Response:
        visible_order(request, order_id, SEE)
        return Response({"results": [return_document(one) for one in returns_of(order_id)]})

    @extend_schema(
        request=ReturnSerializer, responses={201: ReturnSchema}, parameters=[KEY, ORDER_TOKEN], tags=["order"],
        summary="Pedir a devolução de peças entregues",
        description="Por arrependimento (withdrawal), até sete dias depois da entrega, é aceita na hora e devolve tudo "
        "que foi pago por elas, com o frete (CDC, art. 49). Por outro motivo, a loja responde.",
    )  # fmt: skip
    def post(self, request: Request, order_id: UUID) -> Response:
        data = validated(ReturnSerializer, request.data)
        visible_order(request, order_id, CHANGE)
        wanted = ReturnWish(
            order_id=order_id,
            pieces={line["line_id"]: line["quantity"] for line in data["lines"]},
            reason=Reason(data["reason"]),
            note=data["note"],
        )

        def ask(claim: Claim) -> ReturnRequest:
            return request_return(wanted=wanted, actor=actor_of(request), claim=claim, now=clock.now())

        return answered_once(request, ask, return_by_id, _requested)


def _requested(request: ReturnRequest) -> Response:
    return Response(return_document(request), 201)
