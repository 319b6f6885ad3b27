"""What the views read from a request: secrets, whose order it is, and whether it was made before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.order.interface import OrderNotFound
from contexts.order.models import Order
from contexts.order.queries import order_by_id
from contexts.order.usecases.place_order import AlreadyRequested, Claim
from contexts.order.views.access import is_visible
from ecommerce.errors import DomainError
from ecommerce.http import idempotency
from ecommerce.http.authentication import principal_of

T = TypeVar("T")

KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, required=True)
SEE, CHANGE = "order.view_order", "order.change_order"


def cart_token(request: Request) -> str:
    """Return the guest's key to a cart; empty without one."""
    return str(request.headers.get("X-Cart-Token", ""))


def order_token(request: Request) -> str:
    """Return the guest's key to an order; empty without one."""
    return str(request.headers.get("X-Order-Token", ""))


def actor_of(request: Request) -> str:
    customer_id = principal_of(request).id
    return f"user:{customer_id}" if customer_id else "guest"


def visible_order(request: Request, order_id: UUID, scope: str) -> Order:
    """Return an order that the requester may see: its customer, a guest with its token, or staff with ``scope``.

    Raises:
        OrderNotFound: unknown, or not theirs.
    """
    order = order_by_id(order_id)
    if order is not None and is_visible(request, order, scope):
        return order
    raise OrderNotFound("Pedido não encontrado.")


def answered_once(
    request: Request,
    act: Callable[[Claim], T],
    made_before: Callable[[UUID], T | None],
    answer: Callable[[T], Response],
) -> Response:
    """Act once per ``Idempotency-Key`` and answer; a repeated request is answered as before, or from what it made.

    An answer of 202 may still change, so it is not kept.
    """
    scope = idempotency.scope_of(principal_of(request), order_token(request))
    claim = Claim(scope, idempotency.require_key(request), idempotency.fingerprint_of(request))
    earlier: idempotency.Replay | idempotency.Abandoned | None
    try:
        made: T | None = act(claim)
    except AlreadyRequested as race:
        earlier = race.outcome
    except DomainError:
        if (earlier := idempotency.find("order", *claim)) is None:
            raise
    else:
        earlier = None
    if isinstance(earlier, idempotency.Replay):
        return earlier.response()
    if earlier is not None:
        made = made_before(earlier.resource_id) if earlier.resource_id else None
    if made is None:
        raise idempotency.IdempotencyInFlight("Isso ainda está sendo processado.", retry_after=2)
    response = answer(made)
    if response.status_code != 202:
        idempotency.complete("order", claim.scope, claim.key, response.status_code, response.data)
    return response
