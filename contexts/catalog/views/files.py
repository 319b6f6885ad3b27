"""The catalog as files: CSV in, CSV out."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Mapping
from typing import IO, Any, cast

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.catalog import serializers as shapes
from contexts.catalog.domain.imports import check_file, read_products
from contexts.catalog.queries.export import export_csv
from contexts.catalog.usecases.imports import import_catalog
from ecommerce import clock
from ecommerce.errors import Invalid
from ecommerce.http.permissions import HasScope
from ecommerce.http.views import APIView

MAX_BYTES = 64 * 1024 * 1024
IN_MEMORY = 1024 * 1024


class FileTooLarge(Invalid):
    code = "file_too_large"


class CSVParser(BaseParser):
    """Takes the body itself as the file, on disk when it is large."""

    media_type = "text/csv"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, IO[bytes]]:
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the view reads and closes it
        shutil.copyfileobj(stream, file)
        file.seek(0)
        return {"file": file}


class CatalogImports(APIView):
    permission_classes = [HasScope("catalog.add_product")]
    parser_classes = (MultiPartParser, CSVParser)

    @extend_schema(
        tags=["catalog: staff"],
        summary="Import products",
        description=(
            "Our own CSV or a product export of Shopify, told apart by the header; UTF-8, at most 10,000 rows. "
            "Send it as the form field `file` or as the body with `Content-Type: text/csv`. Safe to repeat.\n\n"
            "Products are found by their handle, variants by their SKU. Of those that exist only what the file has a "
            "column for is changed, and an empty cell empties it; new ones get defaults for the rest. The rows of a "
            "product without its name change variants and images only. The options of a variant count as one column: "
            "all variants of a product have the same options, and one that no variant has any more goes. Attributes "
            "and images are added to those that are there. Stock is set for new variants only. A variant that was "
            "withdrawn stays so, and new ones are active: files do not tell.\n\n"
            "Rows that cannot be taken are in `rejected`, by their line, and the others are taken."
        ),
        request={
            "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}},
            "text/csv": OpenApiTypes.STR,
        },
        responses=shapes.ImportReportShape,
    )
    def post(self, request: Request) -> Response:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            raise FileTooLarge(f"O arquivo tem mais de {MAX_BYTES // 1024 // 1024} MiB.")
        text = io.TextIOWrapper(_file_of(request), encoding="utf-8-sig", newline="")
        check_file(text)
        text.seek(0)
        report = import_catalog(products=read_products(text), actor_id=request.user.id, now=clock.now())
        return Response(report)


def _file_of(request: Request) -> IO[bytes]:
    """Return the file that was sent, whichever way.

    Raises:
        ValidationError
    """
    given = request.data.get("file") if isinstance(request.data, Mapping) else None
    file = getattr(given, "file", given)
    if not hasattr(file, "read"):
        raise ValidationError({"file": ["Envie o arquivo CSV."]})
    return cast(IO[bytes], file)


class CatalogExports(APIView):
    permission_classes = [HasScope("catalog.view_product")]

    @extend_schema(
        tags=["catalog: staff"],
        summary="Export all products as our CSV",
        description="What `catalog-imports` takes, also of drafts and of variants that were withdrawn.",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        return StreamingHttpResponse(
            export_csv(),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": 'attachment; filename="catalogo.csv"',
                "Cache-Control": "private, no-store",
            },
        )
