"""Checkout: the price, and the purchase."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity.interface import Address
from contexts.order import adapters
from contexts.order.domain import Method, PaymentIntent
from contexts.order.models import Order
from contexts.order.queries import order_with_details
from contexts.order.serializers import CheckoutSerializer, OrderDocument, PreviewSerializer
from contexts.order.usecases.place_order import AlreadyRequested, Checkout, Claim, place_order
from contexts.order.usecases.price_checkout import Buyer, price_checkout
from contexts.order.usecases.receive_webhook import store_webhook
from contexts.order.views.documents import order_document, preview_document
from ecommerce import clock
from ecommerce.errors import DomainError
from ecommerce.http import idempotency
from ecommerce.http.errors import CONTENT_TYPE, problem_of
from ecommerce.http.language import language_of
from ecommerce.http.views import APIView

KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, required=True)
TOKEN = OpenApiParameter("X-Cart-Token", str, OpenApiParameter.HEADER, description="O token do carrinho do convidado.")


class PreviewView(APIView):
    permission_classes = ()

    @extend_schema(
        request=PreviewSerializer, responses={200: dict}, parameters=[TOKEN], tags=["checkout"],
        summary="O que o carrinho custa: descontos, fretes e total",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        data = _valid(PreviewSerializer, request)
        priced = price_checkout(
            cart_id=data["cart_id"],
            buyer=_buyer(request, data["email"]),
            state=data["state"],
            shipping_method=data["shipping_method"],
        )
        return Response(preview_document(priced))


class CheckoutView(APIView):
    permission_classes = ()

    @extend_schema(
        request=CheckoutSerializer, responses={201: OrderDocument, 202: OrderDocument}, parameters=[KEY, TOKEN],
        tags=["checkout"], summary="Comprar o carrinho",
        description="201: o pedido existe (pago, ou com instruções de pagamento). 202: o gateway ainda não respondeu. "
        "402: pagamento recusado; estoque e cupom devolvidos, o carrinho continua aberto. "
        "409 total_changed: o total mudou e nada foi cobrado.",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        key = idempotency.require_key(request)
        data = _valid(CheckoutSerializer, request)
        scope = idempotency.scope_of(request.user, _cart_token(request))
        claim = Claim(scope, key, idempotency.fingerprint_of(request))
        if earlier := idempotency.find("order", *claim):
            return _again(request, claim, earlier)
        try:
            order = place_order(checkout=_checkout(request, data), claim=claim, now=clock.now())
        except AlreadyRequested as race:
            return _again(request, claim, race.outcome)
        except DomainError as error:
            problem = problem_of(error, request)
            document = problem.document(request)
            idempotency.complete("order", claim.scope, claim.key, problem.status, document)
            return Response(document, problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE)
        return _answered(claim, order)


class WebhookView(APIView):
    """Where payment gateways report. The signature is the authentication."""

    permission_classes = ()
    authentication_classes = ()
    throttle_classes = ()
    parser_classes = ()

    @extend_schema(request=dict, responses={200: dict}, tags=["payments"], summary="Aviso do gateway de pagamento")
    def post(self, request: Request, gateway: str) -> Response:
        body = request._request.body
        event = adapters.gateway(gateway).parse_webhook(request.headers, body, clock.now())
        return Response({"received": store_webhook(gateway=gateway, event=event, body=body, now=clock.now())})


def _again(request: Request, claim: Claim, earlier: idempotency.Replay | idempotency.Abandoned) -> Response:
    """Answer a repeated request: as before, or from what became of its order."""
    if isinstance(earlier, idempotency.Replay):
        return earlier.response()
    order = order_with_details(earlier.resource_id) if earlier.resource_id else None
    if order is None:
        raise idempotency.IdempotencyInFlight("O pedido ainda está sendo processado.", retry_after=2)
    if order.failure:
        document = {**order.failure, "order_id": order.id}
        return Response(document, 409, content_type=CONTENT_TYPE)
    return _answered(claim, order)


def _answered(claim: Claim, order: Order) -> Response:
    """Return the order; an answer that may still change is not stored."""
    document = order_document(order)
    if order.status == "pending":
        return Response(document, 202, headers={"Retry-After": "2"})
    idempotency.complete("order", claim.scope, claim.key, 201, document)
    return Response(document, 201, headers={"Location": f"/api/v1/orders/{order.id}"})


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
    )


def _buyer(request: Request, email: str) -> Buyer:
    user = request.user
    locale = language_of(request) or settings.LANGUAGE_CODE
    return Buyer(customer_id=user.id, email=email or user.email, cart_token=_cart_token(request), locale=locale)


def _cart_token(request: Request) -> str:
    return str(request.headers.get("X-Cart-Token", ""))


def _valid(serializer: type[Any], request: Request) -> dict[str, Any]:
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    validated: dict[str, Any] = checked.validated_data
    return validated
