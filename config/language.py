"""The language of an answer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from ecommerce.http.language import language_of


class Language(LocaleMiddleware):
    """Django's choice of language for people; for programs the ``Accept-Language`` header alone.

    It must set a language for every request: the thread still holds that of the request before.
    """

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(settings.BACK_OFFICE_PREFIXES):
            return super().__call__(request)
        translation.activate(language_of(request))
        return self.get_response(request)
