"""What only pages for people need, and what accounts need: the latter run where the users are."""

from config.settings.accounts import SOCIAL_LOGIN_APPS
from config.unfold import UNFOLD

__all__ = [
    "ACCOUNTS_APPS",
    "ACCOUNTS_CONTEXT_PROCESSORS",
    "ACCOUNTS_MIDDLEWARE",
    "BACK_OFFICE_APPS",
    "BACK_OFFICE_PREFIXES",
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

ACCOUNTS_CONTEXT_PROCESSORS = [
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
