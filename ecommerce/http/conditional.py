"""Conditional requests: lost updates refused by ``If-Match``, unchanged answers saved by ``If-None-Match``."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from ecommerce.errors import DomainError, Kind
from ecommerce.http.renderers import to_json

ETAG = re.compile(r'(W/)?"[^"]*"')


class PreconditionRequired(DomainError):
    code = "precondition_required"
    kind = Kind.PRECONDITION_REQUIRED


class PreconditionFailed(DomainError):
    code = "precondition_failed"
    kind = Kind.PRECONDITION_FAILED


def etag_of(version: int | str) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


def require_match(request: HttpRequest | Request, version: int | str) -> None:
    """Refuse a change unless the client names the version it has seen, by ``If-Match``.

    Check again under the row's lock, or put the version into the ``UPDATE``: this only saves the work.

    Raises:
        PreconditionRequired: there is no ``If-Match``.
        PreconditionFailed: it names another version; the problem carries the present ``etag``.
    """
    header = request.META.get("HTTP_IF_MATCH", "").strip()
    if not header:
        raise PreconditionRequired("Envie If-Match com o ETag da versão que você viu.")
    present = etag_of(version)
    if header != "*" and present not in _strong(header):
        raise PreconditionFailed("O recurso mudou desde a versão informada em If-Match.", etag=present)


def not_modified(request: HttpRequest | Request, etag: str, headers: dict[str, str] | None = None) -> Response | None:
    """Return the 304 answer when the client has ``etag`` already, else None. For GET and HEAD only."""
    header = request.META.get("HTTP_IF_NONE_MATCH", "").strip()
    if header == "*" or etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in _all(header)}:
        return Response(status=304, headers={**(headers or {}), "ETag": etag})
    return None


def cacheable(request: HttpRequest | Request, data: Any, *, seconds: int, etag: str = "") -> Response:
    """Answer a public GET so that caches may keep it ``seconds``, or 304 when the client has it already.

    Without ``etag`` the entity tag is a digest of the answer. Only guests' answers are shared by caches: one to a
    request with credentials is private and always revalidated.
    """
    body = data if isinstance(data, bytes) else to_json(data)
    etag = etag or etag_of(hashlib.blake2b(body, digest_size=16).hexdigest())
    shared = "HTTP_AUTHORIZATION" not in request.META
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={seconds}" if shared else "private, no-cache",
        "Vary": "Authorization",
    }
    return not_modified(request, etag, headers) or Response(body, headers=headers)


def _all(header: str) -> list[str]:
    return [match.group() for match in ETAG.finditer(header)]


def _strong(header: str) -> list[str]:
    return [tag for tag in _all(header) if not tag.startswith("W/")]
