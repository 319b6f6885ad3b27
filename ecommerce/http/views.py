"""The base of every REST view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework import views
from rest_framework.exceptions import ParseError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from ecommerce.http import schema
from ecommerce.http.authentication import SUPERUSER_SCOPE, JWTAuthentication
from ecommerce.http.conditional import cacheable
from ecommerce.http.keys import jwks
from ecommerce.http.negotiation import JSONFirst
from ecommerce.http.parsers import JSONParser
from ecommerce.http.permissions import Authenticated, HasScope
from ecommerce.http.renderers import JSONRenderer
from ecommerce.http.throttling import DefaultThrottle


class APIView(views.APIView):
    """DRF's view with our defaults: JSON, JWT, logged-in customers only, rate limits, problem documents, no caching.

    Call one use case or one query per method. ``permission_classes = []`` makes a view public.
    """

    renderer_classes: Sequence[Any] = (JSONRenderer,)
    parser_classes: Sequence[Any] = (JSONParser,)
    authentication_classes: Sequence[Any] = (JWTAuthentication,)
    permission_classes: Sequence[Any] = (Authenticated,)
    throttle_classes: Sequence[Any] = (DefaultThrottle,)
    content_negotiation_class = JSONFirst

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what PostgreSQL cannot store as text before any view asks it."""
        super().initial(request, *args, **kwargs)
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise ParseError("Caracteres nulos não são permitidos.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers out of caches unless the view says otherwise: most hold what is only its reader's business, and
        a cache knows nothing of ``X-Cart-Token`` and ``X-Order-Token``."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


class StaffView(APIView):
    """A view whose methods need a scope each. A method that names none is for superusers."""

    scopes: ClassVar[dict[str, str]] = {}

    def get_permissions(self) -> Sequence[BasePermission]:
        method = self.request.method or ""
        scope = self.scopes.get("GET" if method == "HEAD" else method)
        if scope is None and not hasattr(self, method.lower()):
            return [Authenticated()]
        return [HasScope(scope or SUPERUSER_SCOPE)]


class SchemaView(APIView):
    """OpenAPI 3.1 as JSON."""

    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return cacheable(request, schema.document(), seconds=300)


def jwks_document(request: HttpRequest) -> HttpResponse:
    """The public keys of the access tokens, for gateways and other services."""
    response = JsonResponse(jwks(settings.JWT_PUBLIC_KEYS.values()))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
