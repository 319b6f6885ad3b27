"""Who may see an order, and what belongs to it."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from contexts.order.models import Order
from contexts.order.views.tokens import is_access_token
from ecommerce.http.authentication import principal_of

ORDER_TOKEN = OpenApiParameter("X-Order-Token", str, OpenApiParameter.HEADER, description="access_token do convidado.")


def is_visible(request: Request, order: Order, scope: str) -> bool:
    """Tell whether the requester may see an order: its customer, a guest with its token, or staff with ``scope``."""
    principal = principal_of(request)
    return is_theirs(request, order) or (principal.is_authenticated and principal.has_scope(scope))


def is_theirs(request: Request, order: Order) -> bool:
    """Tell whether the requester is the buyer: the order's customer, or a guest with its token."""
    customer_id = principal_of(request).id
    return (customer_id is not None and order.customer_id == customer_id) or is_access_token(
        request.headers.get("X-Order-Token", ""), order.id
    )
