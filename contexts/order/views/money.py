"""Money of an order that stands: another payment, and parts of it that go back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.order.domain import Method, PaymentIntent
from contexts.order.models import UNSENT, PaymentAttempt, Refund, RefundStatus
from contexts.order.queries import payment_by_id, refund_by_id, refunds_of
from contexts.order.serializers import (
    NewPaymentSerializer,
    OfferSchema,
    PaymentSchema,
    RefundSchema,
    RefundSerializer,
    RefundsSchema,
)
from contexts.order.usecases.add_payment import PaymentRequest, add_payment, offer_for
from contexts.order.usecases.place_order import Claim
from contexts.order.usecases.price_checkout import Buyer
from contexts.order.usecases.refund import RefundRequest, refund_lines
from contexts.order.views.access import ORDER_TOKEN
from contexts.order.views.documents import instalment_document, payment_document, refund_document
from contexts.order.views.requests import CHANGE, KEY, SEE, actor_of, answered_once, visible_order
from ecommerce import clock
from ecommerce.http.authentication import principal_of
from ecommerce.http.input import validated
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView


class PaymentsView(APIView):
    permission_classes = ()

    @extend_schema(
        request=NewPaymentSerializer, responses={201: PaymentSchema, 202: PaymentSchema},
        parameters=[KEY, ORDER_TOKEN], tags=["order"], summary="Pagar de outra forma um pedido que espera pagamento",
        description="Cobra o que falta. Os pagamentos em aberto continuam valendo até o pedido ser pago; "
        "o que for pago duas vezes é devolvido. 202: o gateway ainda não respondeu; consulte o pedido.",
    )  # fmt: skip
    def post(self, request: Request, order_id: UUID) -> Response:
        data = validated(NewPaymentSerializer, request.data)
        order = visible_order(request, order_id, CHANGE)
        payer, return_url, expected = data.pop("payer"), data.pop("return_url"), data.pop("expected_total")
        asked = PaymentRequest(
            order_id=order_id,
            buyer=Buyer(customer_id=principal_of(request).id, email=order.email),
            intent=PaymentIntent(**{**data, "method": Method(data["method"])}),
            payer=payer,
            return_url=return_url,
            expected=expected,
        )

        def pay(claim: Claim) -> PaymentAttempt:
            return add_payment(wanted=asked, claim=claim, now=clock.now())

        return answered_once(request, pay, payment_by_id, _paid)


class OfferView(APIView):
    permission_classes = ()

    @extend_schema(
        responses={200: OfferSchema}, parameters=[ORDER_TOKEN], tags=["order"],
        summary="O que falta pagar de um pedido, e em quantas parcelas no cartão",
    )  # fmt: skip
    def get(self, request: Request, order_id: UUID) -> Response:
        order = visible_order(request, order_id, SEE)
        missing, plans = offer_for(order=order)
        return Response({"missing": missing, "instalment_options": [instalment_document(plan) for plan in plans]})


class RefundsView(APIView):
    def get_permissions(self) -> Sequence[BasePermission]:
        return [HasScope("order.add_refund")] if self.request.method == "POST" else []

    @extend_schema(
        responses={200: RefundsSchema}, parameters=[ORDER_TOKEN], tags=["order"], summary="Devoluções de um pedido"
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        visible_order(request, order_id, SEE)
        return Response({"results": [refund_document(refund) for refund in refunds_of(order_id)]})

    @extend_schema(
        request=RefundSerializer, responses={201: RefundSchema, 202: RefundSchema}, parameters=[KEY], tags=["order"],
        summary="Devolver peças de um pedido (equipe)",
        description="Devolve o que foi pago pelas peças e a parte delas no frete. 202: o gateway ainda não respondeu; "
        "a devolução segue sozinha.",
    )  # fmt: skip
    def post(self, request: Request, order_id: UUID) -> Response:
        data = validated(RefundSerializer, request.data)
        asked = RefundRequest(
            order_id=order_id,
            pieces={line["line_id"]: line["quantity"] for line in data["lines"]},
            freight=data["freight"],
            restock=data["restock"],
            reason=data["reason"],
        )

        def refund(claim: Claim) -> Refund:
            return refund_lines(wanted=asked, actor=actor_of(request), claim=claim, now=clock.now())

        return answered_once(request, refund, refund_by_id, _refunded)


def _paid(payment: PaymentAttempt) -> Response:
    if payment.status in UNSENT:
        return Response(payment_document(payment), 202, headers={"Retry-After": "2"})
    return Response(payment_document(payment), 201)


def _refunded(refund: Refund) -> Response:
    status = 201 if refund.status == RefundStatus.DONE else 202
    return Response(refund_document(refund), status)
