"""The cart over HTTP.

A cart belongs to the customer of the access token, or to whoever holds its ``X-Cart-Token``; to anybody else it does
not exist. Every answer carries the version as ETag. ``If-Match`` is required where a change would overwrite something
(the quantity of a line, its removal, the prices seen) and honoured elsewhere when sent: adding loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.cart import queries
from contexts.cart.domain.access import Caller
from contexts.cart.models import Cart
from contexts.cart.serializers import (
    CartEventSchema,
    CartInput,
    CartReviewSchema,
    CartSchema,
    CartWithTokenSchema,
    ContactInput,
    CouponInput,
    LineInput,
    MergedCartSchema,
    MergeInput,
    QuantityInput,
    RecoveryInput,
    cart_body,
    event_body,
    merge_body,
    review_body,
)
from contexts.cart.usecases import abandonment, lifecycle, lines, merging, reviews
from contexts.cart.usecases.changes import Precondition
from ecommerce.clock import now
from ecommerce.http.conditional import etag_of, require_match
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage
from ecommerce.http.permissions import Authenticated
from ecommerce.http.schema import page
from ecommerce.http.throttling import DefaultThrottle, Scoped
from ecommerce.http.views import APIView

TOKEN = OpenApiParameter(
    "X-Cart-Token", str, OpenApiParameter.HEADER, description="A chave do carrinho de um visitante."
)
PAGE = [OpenApiParameter("limit", int), OpenApiParameter("cursor", str)]
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="O ETag da versão que o cliente viu.")
IF_MATCH_REQUIRED = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="O ETag da versão que o cliente viu."
)

GUESSED = (DefaultThrottle, Scoped("code"))
"""Where somebody could try one code after the other."""


class Carts(APIView):
    def get_permissions(self) -> Sequence[BasePermission]:
        return [Authenticated()] if self.request.method in ("GET", "HEAD") else []

    @extend_schema(parameters=PAGE, responses=page(CartSchema), tags=["cart"], summary="Meus carrinhos abertos")
    def get(self, request: Request) -> Response:
        assert request.user.id is not None
        cursor = CursorPage.from_request(request, types=(UUID,))
        [before] = cursor.after or [None]
        carts = queries.carts_of(customer_id=request.user.id, before=before, limit=cursor.limit + 1)
        return cursor.respond([cart_body(cart) for cart in carts], key=lambda body: [body["id"]])

    @extend_schema(
        request=CartInput,
        responses={201: CartWithTokenSchema},
        tags=["cart"],
        summary="Abrir um carrinho",
        description="Visitantes recebem o token do carrinho uma única vez e o enviam em X-Cart-Token.",
    )
    def post(self, request: Request) -> Response:
        data = validated(CartInput, request.data)
        quantities: dict[UUID, int] = {}
        for line in data.get("lines", []):
            quantities[line["variant_id"]] = quantities.get(line["variant_id"], 0) + line["quantity"]
        cart, token = lifecycle.create_cart(caller=caller_of(request), quantities=quantities, now=now())
        return answer(cart, cart_body(cart, token=token), status=201)


class CartDetail(APIView):
    permission_classes = []

    @extend_schema(
        parameters=[TOKEN],
        responses=CartReviewSchema,
        tags=["cart"],
        summary="O carrinho com os preços e o estoque de agora",
        description="Mostra por linha o que mudou desde que o cliente a viu, e o porquê do total, regra por regra.",
    )
    def get(self, request: Request, cart_id: UUID) -> Response:
        cart, review = reviews.review_cart(cart_id=cart_id, caller=caller_of(request))
        return answer(cart, review_body(cart, review))


class CartHistory(APIView):
    permission_classes = []

    @extend_schema(
        parameters=[TOKEN, *PAGE], responses=page(CartEventSchema), tags=["cart"], summary="Histórico do carrinho"
    )
    def get(self, request: Request, cart_id: UUID) -> Response:
        cursor = CursorPage.from_request(request, default=50, maximum=200, types=(int,))
        queries.owned_cart(cart_id=cart_id, caller=caller_of(request))
        [after] = cursor.after or [0]
        log = queries.history_of(cart_id=cart_id, after=after, limit=cursor.limit + 1)
        return cursor.respond([event_body(recorded) for recorded in log], key=lambda body: [body["version"]])


class CartLines(APIView):
    permission_classes = []

    @extend_schema(
        request=LineInput,
        parameters=[TOKEN, IF_MATCH],
        responses=CartSchema,
        tags=["cart"],
        summary="Adicionar um item",
        description="Soma à quantidade que já estiver no carrinho; adições paralelas não se perdem.",
    )
    def post(self, request: Request, cart_id: UUID) -> Response:
        data = validated(LineInput, request.data)
        cart = lines.add_line(
            cart_id=cart_id, caller=caller_of(request), **data, now=now(), precondition=match_if_sent(request)
        )
        return answer(cart)


class CartLine(APIView):
    permission_classes = []

    @extend_schema(
        request=QuantityInput,
        parameters=[TOKEN, IF_MATCH_REQUIRED],
        responses=CartSchema,
        tags=["cart"],
        summary="Alterar a quantidade",
        description="412 se o carrinho mudou desde a versão vista.",
    )
    def patch(self, request: Request, cart_id: UUID, variant_id: UUID) -> Response:
        data = validated(QuantityInput, request.data)
        cart = lines.change_quantity(
            cart_id=cart_id,
            caller=caller_of(request),
            variant_id=variant_id,
            quantity=data["quantity"],
            now=now(),
            precondition=partial(require_match, request),
        )
        return answer(cart)

    @extend_schema(
        request=None,
        parameters=[TOKEN, IF_MATCH_REQUIRED],
        responses={200: CartSchema},
        tags=["cart"],
        summary="Remover um item",
    )
    def delete(self, request: Request, cart_id: UUID, variant_id: UUID) -> Response:
        cart = lines.remove_line(
            cart_id=cart_id,
            caller=caller_of(request),
            variant_id=variant_id,
            now=now(),
            precondition=partial(require_match, request),
        )
        return answer(cart)


class CartPriceNotice(APIView):
    permission_classes = []

    @extend_schema(
        request=None,
        parameters=[TOKEN, IF_MATCH_REQUIRED],
        responses=CartSchema,
        tags=["cart"],
        summary="Aceitar os preços de agora",
    )
    def post(self, request: Request, cart_id: UUID) -> Response:
        cart = lines.notice_prices(
            cart_id=cart_id, caller=caller_of(request), now=now(), precondition=partial(require_match, request)
        )
        return answer(cart)


class CartCoupon(APIView):
    permission_classes = []
    throttle_classes = GUESSED

    @extend_schema(
        request=CouponInput,
        parameters=[TOKEN, IF_MATCH],
        responses=CartReviewSchema,
        tags=["cart"],
        summary="Aplicar um cupom",
        description="409 coupon_refused com o motivo: o carrinho fica como estava.",
    )
    def put(self, request: Request, cart_id: UUID) -> Response:
        data = validated(CouponInput, request.data)
        cart, review = reviews.apply_coupon(
            cart_id=cart_id,
            caller=caller_of(request),
            code=data["code"],
            now=now(),
            precondition=match_if_sent(request),
        )
        return answer(cart, review_body(cart, review))

    @extend_schema(
        request=None,
        parameters=[TOKEN, IF_MATCH],
        responses={200: CartReviewSchema},
        tags=["cart"],
        summary="Retirar o cupom",
    )
    def delete(self, request: Request, cart_id: UUID) -> Response:
        cart, review = reviews.remove_coupon(
            cart_id=cart_id, caller=caller_of(request), now=now(), precondition=match_if_sent(request)
        )
        return answer(cart, review_body(cart, review))


class CartContact(APIView):
    permission_classes = []

    @extend_schema(
        request=ContactInput,
        parameters=[TOKEN, IF_MATCH],
        responses=CartSchema,
        tags=["cart"],
        summary="Informar contato e consentimento para lembretes",
    )
    def put(self, request: Request, cart_id: UUID) -> Response:
        data = validated(ContactInput, request.data)
        cart = lifecycle.leave_contact(
            cart_id=cart_id, caller=caller_of(request), **data, now=now(), precondition=match_if_sent(request)
        )
        return answer(cart)


class CartClaim(APIView):
    @extend_schema(
        request=None,
        parameters=[TOKEN, IF_MATCH],
        responses=CartSchema,
        tags=["cart"],
        summary="Levar o carrinho de visitante para a minha conta",
    )
    def post(self, request: Request, cart_id: UUID) -> Response:
        cart = lifecycle.claim_cart(
            cart_id=cart_id, caller=caller_of(request), now=now(), precondition=match_if_sent(request)
        )
        return answer(cart)


class CartMerge(APIView):
    permission_classes = []

    @extend_schema(
        request=MergeInput,
        parameters=[TOKEN, IF_MATCH],
        responses=MergedCartSchema,
        tags=["cart"],
        summary="Juntar outro carrinho a este",
        description="sum_capped: quantidades somadas até o estoque e até 999. Repetir devolve o mesmo relatório.",
    )
    def post(self, request: Request, cart_id: UUID) -> Response:
        data = validated(MergeInput, request.data)
        cart, merged = merging.merge_carts(
            cart_id=cart_id,
            source_id=data["cart_id"],
            caller=caller_of(request),
            source_token=data["token"],
            now=now(),
            precondition=match_if_sent(request),
        )
        return answer(cart, merge_body(cart, merged))


class CartRecoveries(APIView):
    permission_classes = []
    throttle_classes = GUESSED

    @extend_schema(
        request=RecoveryInput,
        responses={201: CartWithTokenSchema},
        tags=["cart"],
        summary="Recuperar um carrinho abandonado pelo link do lembrete",
        description="O link vale uma vez e por tempo limitado; dispensa login.",
    )
    def post(self, request: Request) -> Response:
        data = validated(RecoveryInput, request.data)
        cart, token = abandonment.recover_cart(link_token=data["token"], now=now())
        return answer(cart, cart_body(cart, token=token), status=201)


def caller_of(request: Request) -> Caller:
    return Caller(customer_id=request.user.id, token=request.headers.get("X-Cart-Token", ""))


def match_if_sent(request: Request) -> Precondition | None:
    return partial(require_match, request) if "If-Match" in request.headers else None


def answer(cart: Cart, body: dict[str, Any] | None = None, *, status: int = 200) -> Response:
    headers = {"ETag": etag_of(cart.version), "Cache-Control": "no-store"}
    if status == 201:
        headers["Location"] = f"/api/v1/carts/{cart.id}"
    return Response(body or cart_body(cart), status=status, headers=headers)
