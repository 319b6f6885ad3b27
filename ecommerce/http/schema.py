"""How the API describes itself: OpenAPI 3.1 by drf-spectacular, with our errors, tokens and pages."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.serializers import Serializer

from ecommerce.http.renderers import to_json

API = "/api/v1/"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
BEARER = "BearerToken"

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Branch on `code`; members beyond these belong to the code and hold its facts.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:problem:out_of_stock"]},
        "title": {"type": "string", "description": "In the language of Accept-Language: pt-BR or en."},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "examples": ["out_of_stock"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer", "examples": ["/lines/0/quantity"]},
                    "code": {"type": "string", "examples": ["required"]},
                    "detail": {"type": "string"},
                },
            },
        },
        "trace_id": {"type": "string"},
        "correlation_id": {"type": "string"},
    },
    "additionalProperties": True,
}
RESPONSES: dict[str, str] = {
    "BadRequest": "The request is malformed; `errors` says where.",
    "Unauthorized": "No valid access token.",
    "Forbidden": "The access token lacks a permission.",
    "NotFound": "It does not exist, or it is somebody else's.",
    "TooManyRequests": "Rate limit reached; come back after `Retry-After` seconds.",
    "Problem": "Any other refusal or failure.",
}


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "ecommerce.http.authentication.JWTAuthentication"
    name = BEARER

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class AutoSchema(SpectacularSchema):
    """Names that are unique across contexts, and the knowledge that a view without permissions is public."""

    def get_auth(self) -> list[dict[str, Any]]:
        auths: list[dict[str, Any]] = super().get_auth()
        return auths if self.view.get_permissions() else [*auths, {}]

    def get_operation_id(self) -> str:
        """Return method and path, such as ``post_carts_by_cart_id_lines``."""
        path = self.path.removeprefix(API).replace("{", "by/").replace("}", "")
        return "_".join([self.method.lower(), *filter(None, re.sub("[-.]", "_", path).split("/"))])

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        return component_name(serializer if isinstance(serializer, type) else type(serializer))


@cache
def page(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """Return the documentation of a cursor page of ``serializer``: ``responses=page(ProductSchema)``.

    Two lists of the same things have one and the same page.
    """
    return inline_serializer(
        f"{component_name(serializer)}Page",
        {"results": serializer(many=True), "next": serializers.URLField(allow_null=True)},
    )


def component_name(serializer: type[Serializer[Any]]) -> str:
    """Return what a serializer is called in the schema: ``CartLine`` for ``LineSchema`` of the cart.

    Two contexts may use one word for two things, so the name begins with the context unless it does so already.
    """
    name = serializer.__name__.removesuffix("Serializer").removesuffix("Schema")
    package, _, rest = serializer.__module__.partition(".")
    prefix = rest.partition(".")[0].capitalize() if package == "contexts" else ""
    return name if name.startswith(prefix) else prefix + name


@lru_cache(maxsize=1)
def document() -> bytes:
    """Return the description of every endpoint of the local contexts as JSON; made once, in about a second."""
    generator = SchemaGenerator(urlconf=spectacular_settings.SERVE_URLCONF)  # type: ignore[no-untyped-call]
    return to_json(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Give every operation the errors that any endpoint can answer; a drf-spectacular postprocessing hook."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {name: _response(name, description) for name, description in RESPONSES.items()}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                _add_to(operation, path)
    return result


def _add_to(operation: dict[str, Any], path: str) -> None:
    names = {"429": "TooManyRequests", "default": "Problem"}
    if "requestBody" in operation or operation.get("parameters"):
        names["400"] = "BadRequest"
    if {} not in operation.get("security", [{}]):
        names |= {"401": "Unauthorized", "403": "Forbidden"}
    if "{" in path:
        names["404"] = "NotFound"
    for status, name in names.items():
        operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})


def _response(name: str, description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    response: dict[str, Any] = {"description": description, "content": content}
    if name == "TooManyRequests":
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return response
