"""What only pages for people need, and what accounts need: the latter run where the users are."""

from config.settings.accounts import SOCIAL_LOGIN_APPS
from config.unfold import UNFOLD

__all__ = [
    "ACCOUNTS_APPS",
    "ACCOUNTS_CONTEXT_PROCESSORS",
    "ACCOUNTS_MIDDLEWARE",
    "BACK_OFFICE_APPS",
    "BACK_OFFICE_PREFIXES",
    "LOGIN_PATHS",
    "THROTTLED_PREFIX",
    "UNFOLD",
]

BACK_OFFICE_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
]

ACCOUNTS_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.headless",
    *SOCIAL_LOGIN_APPS,
]

ACCOUNTS_MIDDLEWARE = [
    "config.middleware.BackOfficeAuthentication",
    "config.middleware.BackOfficeMessages",
    "allauth.account.middleware.AccountMiddleware",
]
"""They follow the session's. django-allauth insists on its own, which costs two microseconds."""

BACK_OFFICE_PREFIXES = ("/admin/", "/accounts/", "/_allauth/")
"""Where people with a browser session are. Elsewhere sessions, logins and messages are not loaded: a request with a
token must not pay for them."""

THROTTLED_PREFIX = "/_allauth/"
"""Counted as ``anon``: django-allauth's endpoints know nothing of REST framework's throttles."""
_AUTH = f"{THROTTLED_PREFIX}app/v1/auth"
LOGIN_PATHS = frozenset(
    {
        "/admin/login/",
        f"{_AUTH}/login",
        f"{_AUTH}/reauthenticate",
        f"{_AUTH}/2fa/authenticate",
        f"{_AUTH}/2fa/reauthenticate",
        f"{_AUTH}/code/confirm",
        f"{_AUTH}/email/verify",
        f"{_AUTH}/password/request",
        f"{_AUTH}/password/reset",
        f"{_AUTH}/phone/verify",
    }
)
"""What takes a password, a code or a key from a mail. A POST there, or a question about such a key, counts as
``login``."""

ACCOUNTS_CONTEXT_PROCESSORS = [
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
