"""The delivery log and the templates, for staff."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.notification import queries, serializers, usecases
from contexts.notification.models import Template
from ecommerce.clock import now
from ecommerce.http.conditional import etag_of, require_match
from ecommerce.http.input import validated
from ecommerce.http.pagination import CursorPage
from ecommerce.http.schema import page
from ecommerce.http.views import StaffView

TAGS = ["notification"]

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag of the template seen."
)
VIEW_MESSAGE, CHANGE_MESSAGE = "notification.view_message", "notification.change_message"
VIEW_TEMPLATE, CHANGE_TEMPLATE = "notification.view_template", "notification.change_template"


class Messages(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": VIEW_MESSAGE}

    @extend_schema(
        parameters=[serializers.MessageFilter],
        responses=page(serializers.MessageSchema),
        tags=TAGS,
        summary="Messages, newest first",
    )
    def get(self, request: Request) -> Response:
        filters = validated(serializers.MessageFilter, request.query_params)
        cursor = CursorPage.from_request(request, types=(UUID,))
        [before] = cursor.after or [None]
        rows = queries.messages_page(filters=filters, before=before, limit=cursor.limit)
        return cursor.respond(rows, key=lambda row: [row["id"]])


class MessageDetail(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": VIEW_MESSAGE}

    @extend_schema(responses=serializers.MessageDetailSchema, tags=TAGS, summary="A message, its text and its attempts")
    def get(self, request: Request, message_id: UUID) -> Response:
        return Response(queries.message_detail(message_id))


class MessageResend(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": CHANGE_MESSAGE}

    @extend_schema(
        request=None, responses={202: serializers.MessageDetailSchema}, tags=TAGS, summary="Send a message again"
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        usecases.resend_message(message_id=message_id, now=now())
        return Response(queries.message_detail(message_id), status=202)


class Templates(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": VIEW_TEMPLATE}

    @extend_schema(responses=serializers.TemplateSchema(many=True), tags=TAGS, summary="All templates")
    def get(self, request: Request) -> Response:
        return Response(queries.templates_list())


class TemplateDetail(StaffView):
    scopes: ClassVar[dict[str, str]] = {"GET": VIEW_TEMPLATE}

    @extend_schema(responses=serializers.TemplateDetailSchema, tags=TAGS, summary="A template and its versions")
    def get(self, request: Request, template_id: UUID) -> Response:
        return answer(queries.template_by_id(template_id))


class TemplateVersions(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": CHANGE_TEMPLATE}

    @extend_schema(
        request=serializers.VersionInput,
        responses={201: serializers.TemplateDetailSchema},
        tags=TAGS,
        summary="Add a draft",
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        data = validated(serializers.VersionInput, request.data)
        usecases.add_version(template_id=template_id, **data, created_by=request.user.id, now=now())
        return answer(queries.template_by_id(template_id), status=201)


class TemplatePreview(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": VIEW_TEMPLATE}

    @extend_schema(
        request=serializers.PreviewInput,
        responses=serializers.PreviewSchema,
        tags=TAGS,
        summary="Fill a template with data, without storing or sending it",
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        data = validated(serializers.PreviewInput, request.data)
        rendered = usecases.preview_template(
            template_id=template_id,
            number=data.get("number"),
            draft=data.get("draft"),
            context=data.get("values"),
        )
        return Response(rendered)


class TemplateTest(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": CHANGE_TEMPLATE}

    @extend_schema(
        request=serializers.TestInput,
        responses={202: serializers.MessageDetailSchema},
        tags=TAGS,
        summary="Send a version to somebody, with made-up data",
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        data = validated(serializers.TestInput, request.data)
        message = usecases.send_test(
            template_id=template_id, number=data.get("number"), recipient=data["recipient"], now=now()
        )
        return Response(queries.message_detail(message.id), status=202)


class TemplatePublication(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": CHANGE_TEMPLATE}

    @extend_schema(
        request=serializers.PublishInput,
        parameters=[IF_MATCH],
        responses=serializers.TemplateDetailSchema,
        tags=TAGS,
        summary="Publish a version",
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        data = validated(serializers.PublishInput, request.data)
        template = usecases.publish_version(
            template_id=template_id, number=data["number"], now=now(), precondition=partial(require_match, request)
        )
        return answer(template)


class TemplateRollback(StaffView):
    scopes: ClassVar[dict[str, str]] = {"POST": CHANGE_TEMPLATE}

    @extend_schema(
        request=None,
        parameters=[IF_MATCH],
        responses=serializers.TemplateDetailSchema,
        tags=TAGS,
        summary="Publish the version before",
    )
    def post(self, request: Request, template_id: UUID) -> Response:
        template = usecases.roll_back(template_id=template_id, now=now(), precondition=partial(require_match, request))
        return answer(template)


def answer(template: Template, *, status: int = 200) -> Response:
    """Return a template with its newest versions; its revision is the entity tag."""
    body: dict[str, Any] = queries.template_detail(template)
    return Response(body, status=status, headers={"ETag": etag_of(template.revision)})
