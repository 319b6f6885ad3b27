"""Django's middleware for people with a browser, spared to programs with a token.

Sessions, logins and messages matter to the admin and to the account pages; a JWT request would pay for them and never
use them. The classes stay subclasses of Django's, in ``MIDDLEWARE`` and in Django's order, so that the checks of the
admin and every third-party app still see what they look for.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin


class BackOfficeOnly(MiddlewareMixin):
    """Mixed in before a middleware of Django's: works below ``BACK_OFFICE_PREFIXES`` and steps aside elsewhere."""

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(settings.BACK_OFFICE_PREFIXES):
            return super().__call__(request)
        return self.get_response(request)


class BackOfficeSession(BackOfficeOnly, SessionMiddleware):
    pass


class BackOfficeAuthentication(BackOfficeOnly, AuthenticationMiddleware):
    pass


class BackOfficeMessages(BackOfficeOnly, MessageMiddleware):
    pass
