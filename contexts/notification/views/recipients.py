"""What recipients decide: preferences, the unsubscribe link, push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.template.loader import render_to_string
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.notification import queries, serializers, usecases
from contexts.notification.domain import customer_key, email_key
from ecommerce.clock import now
from ecommerce.http.authentication import Principal
from ecommerce.http.input import validated
from ecommerce.http.parsers import JSONParser
from ecommerce.http.renderers import JSONRenderer, to_json
from ecommerce.http.views import APIView

TAGS = ["notification"]


class MyPreferences(APIView):
    @extend_schema(responses=serializers.PreferencesSchema, tags=TAGS, summary="What I want to be told, and how")
    def get(self, request: Request) -> Response:
        return Response({"preferences": queries.preferences(keys=keys_of(request))})

    @extend_schema(
        request=serializers.PreferencesInput,
        responses=serializers.PreferencesSchema,
        tags=TAGS,
        summary="Choose what I am told; what is not named stays",
    )
    def put(self, request: Request) -> Response:
        data = validated(serializers.PreferencesInput, request.data)
        choices = [usecases.Choice(**choice) for choice in data["preferences"]]
        usecases.set_preferences(keys=keys_of(request), choices=choices, now=now())
        return Response({"preferences": queries.preferences(keys=keys_of(request))})


class MyPushSubscriptions(APIView):
    @extend_schema(
        request=serializers.PushSubscriptionInput, responses={204: None}, tags=TAGS, summary="Notify this browser"
    )
    def put(self, request: Request) -> Response:
        data = validated(serializers.PushSubscriptionInput, request.data)
        usecases.add_push_subscription(
            customer_id=customer_of(request), endpoint=data["endpoint"], **data["keys"], now=now()
        )
        return Response(status=204)

    @extend_schema(
        request=serializers.PushEndpoint, responses={204: None}, tags=TAGS, summary="Stop notifying this browser"
    )
    def delete(self, request: Request) -> Response:
        data = validated(serializers.PushEndpoint, request.data)
        usecases.remove_push_subscription(customer_id=customer_of(request), endpoint=data["endpoint"])
        return Response(status=204)


class UnsubscribePage(BaseRenderer):
    """The same answer for a person with a browser."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> str | bytes:
        response = (renderer_context or {})["response"]
        if response.exception:
            return to_json(data)
        return render_to_string("notification/unsubscribe.html", data)


@method_decorator(csp_replace({"style-src": [UNSAFE_INLINE], "form-action": [SELF]}), name="dispatch")
class Unsubscribe(APIView):
    """The link in marketing mails. Looking at it changes nothing, since mail scanners look at every link; one POST
    unsubscribes, from the page or straight from a mailbox provider (RFC 8058)."""

    permission_classes = ()
    authentication_classes = ()
    renderer_classes = (JSONRenderer, UnsubscribePage)
    parser_classes = (JSONParser, FormParser, MultiPartParser)

    @extend_schema(responses=serializers.UnsubscribeSchema, tags=TAGS, summary="What this link is about")
    def get(self, request: Request, signed: str) -> Response:
        return self._answer(signed, unsubscribed=False)

    @extend_schema(
        request=None, responses=serializers.UnsubscribeSchema, tags=TAGS, summary="Unsubscribe; no login needed"
    )
    def post(self, request: Request, signed: str) -> Response:
        usecases.unsubscribe(signed=signed, now=now())
        return self._answer(signed, unsubscribed=True)

    def _answer(self, signed: str, *, unsubscribed: bool) -> Response:
        link = usecases.read_unsubscribe_link(signed)
        return Response({"channel": link.channel, "category": link.category, "unsubscribed": unsubscribed})

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, usecases.BadUnsubscribeLink) and self.request.accepted_renderer.format == "html":
            return Response({"invalid": True}, status=404)
        return super().handle_exception(exc)


def principal_of(request: Request) -> Principal:
    return cast(Principal, request.user)


def customer_of(request: Request) -> UUID:
    """Return the id of the customer who is logged in; the view lets nobody else through."""
    customer_id = principal_of(request).id
    assert customer_id is not None
    return customer_id


def keys_of(request: Request) -> list[str]:
    """Return the keys a customer may decide about: the account, and the address once it is verified to be theirs."""
    principal = principal_of(request)
    keys = [customer_key(customer_of(request))]
    return [*keys, email_key(principal.email)] if principal.email_verified else keys
