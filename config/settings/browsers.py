"""What browsers are told about every answer: what a page may load, who may frame it, what the machine may be asked for.

Programs ignore all of it. The other headers of this kind (HSTS, nosniff, referrer, opener) are Django's own settings.
"""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

Directives = dict[str, list[str]]

CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "form-action": [NONE],
        "frame-ancestors": [NONE],
    }
}
"""Of an answer that says nothing else: a browser that is brought to show it as a page loads and runs nothing."""

CSP_DOCUMENTATION: Directives = {
    "script-src": [SELF],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "connect-src": [SELF],
}
"""The page of the API. Swagger UI writes styles into its elements; its scripts are files of ours."""

CSP_BACK_OFFICE: Directives = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:", "https:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "frame-src": [SELF],
    "form-action": [SELF],
}
"""Unfold's Alpine.js evaluates expressions that stand in attributes. A script in the page, in an attribute such as
``onclick``, or from elsewhere does not run. Pictures of products may be anywhere."""

PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: [] for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
}
"""Nothing here asks for these, so nothing that gets into a page may."""
