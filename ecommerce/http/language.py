"""Which language an answer is in: Brazilian Portuguese, unless the client asks for English."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

Language = Literal["pt-br", "en"]
PORTUGUESE: Language = "pt-br"
ENGLISH: Language = "en"


def language_of(request: HttpRequest) -> Language:
    """Return the language the client prefers among those we speak."""
    return _preferred(request.META.get("HTTP_ACCEPT_LANGUAGE", "")[:200])


@lru_cache(maxsize=1024)
def _preferred(header: str) -> Language:
    for tag, _quality in parse_accept_lang_header(header):
        if tag == "en" or tag.startswith("en-"):
            return ENGLISH
        if tag == "pt" or tag.startswith("pt-") or tag == "*":
            return PORTUGUESE
    return PORTUGUESE
