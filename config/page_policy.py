"""What pages may load and run."""

from __future__ import annotations

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ContentSecurityPolicy(CSPMiddleware):
    """``CONTENT_SECURITY_POLICY`` for every answer, with ``CSP_BACK_OFFICE`` for the pages that people work with.

    A view that answers a page of its own replaces directives by ``csp_replace``, or sets the header itself.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(settings.BACK_OFFICE_PREFIXES):
            parts.replace = settings.CSP_BACK_OFFICE
        return parts
