"""The floors over HTTP: a page without a database, and pages that one statement makes, with no framework around it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, LiteralString

from django.http import HttpRequest, HttpResponse
from django.urls import path
from psycopg_pool import ConnectionPool

ANSWER = b'{"results":[' + b",".join(b'{"id":%d,"name":"a product of this shop"}' % n for n in range(24)) + b"]}"
LIST = """
    SELECT string_agg(document, ',') FROM (
        SELECT document FROM product_catalog WHERE category_slugs @> ARRAY[%s]::varchar[]
        ORDER BY created_at DESC, product_id DESC LIMIT 24
    ) AS page
"""
DETAIL = "SELECT detail FROM product_catalog WHERE slug = %s"


def bare(request: HttpRequest) -> HttpResponse:
    return _json(ANSWER)


def product_list(request: HttpRequest, category: str) -> HttpResponse:
    return _json(b'{"results":[%s]}' % _text(LIST, category))


def product_detail(request: HttpRequest, slug: str) -> HttpResponse:
    return _json(_text(DETAIL, slug))


def _text(statement: LiteralString, parameter: str) -> bytes:
    with _pool(os.getpid()).connection() as connection:
        row = connection.execute(statement, [parameter]).fetchone()
    return str(row[0]).encode() if row else b""


@cache
def _pool(process: int) -> ConnectionPool[Any]:
    """Return the pool of a process."""
    return ConnectionPool(os.environ["FLOOR_DSN"], min_size=1, max_size=2, kwargs={"autocommit": True}, open=True)


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


urlpatterns = [
    path("bare", bare),
    path("list/<str:category>", product_list),
    path("detail/<str:slug>", product_detail),
]
