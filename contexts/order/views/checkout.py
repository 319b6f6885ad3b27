"""Checkout: the price, and the purchase."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity.interface import Address
from contexts.order import adapters
from contexts.order.domain import Method, PaymentIntent, Status
from contexts.order.serializers import (
    CheckoutSerializer,
    OrderSchema,
    PreviewSchema,
    PreviewSerializer,
    ReceivedSchema,
)
from contexts.order.usecases.place_order import AlreadyRequested, Checkout, Claim, Placed, place_order, placed_earlier
from contexts.order.usecases.price_checkout import Buyer, instalment_options, price_checkout
from contexts.order.usecases.receive_webhook import store_webhook
from contexts.order.views.documents import order_document, preview_document
from contexts.order.views.requests import KEY, cart_token
from ecommerce import clock
from ecommerce.errors import DomainError
from ecommerce.http import idempotency
from ecommerce.http.authentication import principal_of
from ecommerce.http.errors import CONTENT_TYPE, problem_of
from ecommerce.http.input import validated
from ecommerce.http.language import language_of
from ecommerce.http.views import APIView

TOKEN = OpenApiParameter("X-Cart-Token", str, OpenApiParameter.HEADER, description="O token do carrinho do convidado.")


class PreviewView(APIView):
    permission_classes = ()

    @extend_schema(
        request=PreviewSerializer, responses={200: PreviewSchema}, parameters=[TOKEN], tags=["order"],
        summary="O que o carrinho custa: descontos, fretes, total e parcelas",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        data = validated(PreviewSerializer, request.data)
        priced = price_checkout(
            cart_id=data["cart_id"],
            buyer=_buyer(request, data["email"]),
            state=data["state"],
            shipping_method=data["shipping_method"],
        )
        options = instalment_options(due=priced.totals.due, card_amount=data["card_amount"])
        return Response(preview_document(priced, options))


class CheckoutView(APIView):
    permission_classes = ()

    @extend_schema(
        request=CheckoutSerializer, responses={201: OrderSchema, 202: OrderSchema}, parameters=[KEY, TOKEN],
        tags=["order"], summary="Comprar o carrinho",
        description="201: o pedido existe (pago, ou com instruções de pagamento). 202: o gateway ainda não respondeu; "
        "consulte o pedido. 402: pagamento recusado; estoque e cupom devolvidos, o carrinho continua aberto. "
        "409 total_changed: o total mudou e nada foi cobrado. Repetir com a mesma Idempotency-Key compra uma vez só.",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        key = idempotency.require_key(request)
        checkout = _checkout(request, validated(CheckoutSerializer, request.data))
        scope = idempotency.scope_of(principal_of(request), cart_token(request))
        claim = Claim(scope, key, idempotency.fingerprint_of(request))
        try:
            placed = place_order(checkout=checkout, claim=claim, now=clock.now())
        except AlreadyRequested as race:
            return _again(request, claim, race.outcome)
        except DomainError:
            earlier = idempotency.find("order", *claim)
            if earlier is None:
                raise
            return _again(request, claim, earlier)
        return _answered(request, claim, placed)


class WebhookView(APIView):
    """Where payment gateways report. The signature is the authentication."""

    permission_classes = ()
    authentication_classes = ()
    throttle_classes = ()
    parser_classes = ()

    @extend_schema(
        request=dict[str, Any], responses={200: ReceivedSchema}, tags=["order"], summary="Aviso do gateway de pagamento"
    )
    def post(self, request: Request, gateway: str) -> Response:
        body, now = request._request.body, clock.now()
        event = adapters.gateway(gateway).parse_webhook(request.headers, body, now)
        return Response({"received": store_webhook(gateway=gateway, event=event, body=body, now=now)})


def _again(request: Request, claim: Claim, earlier: idempotency.Replay | idempotency.Abandoned) -> Response:
    """Answer a repeated request: as before, or from what became of its order."""
    if isinstance(earlier, idempotency.Replay):
        return earlier.response()
    placed = placed_earlier(order_id=earlier.resource_id) if earlier.resource_id else None
    if placed is None:
        raise idempotency.IdempotencyInFlight("O pedido ainda está sendo processado.", retry_after=2)
    return _answered(request, claim, placed)


def _answered(request: Request, claim: Claim, placed: Placed) -> Response:
    """Answer with the order or its refusal; an answer that may still change is not stored."""
    if placed.refusal is not None:
        problem = problem_of(placed.refusal, request)
        document = problem.document(request)
        idempotency.complete("order", claim.scope, claim.key, problem.status, document)
        return Response(document, problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE)
    document = order_document(placed.order, placed.lines, placed.payments)
    headers = {"Location": f"/api/v1/orders/{placed.order.id}"}
    if placed.order.status == Status.PENDING:
        return Response(document, 202, headers={**headers, "Retry-After": "2"})
    idempotency.complete("order", claim.scope, claim.key, 201, document)
    return Response(document, 201, headers=headers)


def _checkout(request: Request, data: dict[str, Any]) -> Checkout:
    payments = [PaymentIntent(**{**payment, "method": Method(payment["method"])}) for payment in data["payments"]]
    return Checkout(
        cart_id=data["cart_id"],
        buyer=_buyer(request, data["email"]),
        address=Address(**data["address"]) if data["address"] else None,
        address_id=data["address_id"],
        shipping_method=data["shipping_method"],
        payments=payments,
        expected_total=data["expected_total"],
        payer=dict(data["payer"]),
        return_url=data["return_url"],
    )


def _buyer(request: Request, email: str) -> Buyer:
    principal = principal_of(request)
    return Buyer(
        customer_id=principal.id,
        email=email or principal.email,
        cart_token=cart_token(request),
        locale=language_of(request),
    )
