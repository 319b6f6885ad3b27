"""Accounts: django-allauth without pages of its own, sessions, and the lookups of identity."""

import environ

env = environ.Env()

FRONTEND_URL = env.str("STOREFRONT_URL", default="") or env.str("PUBLIC_URL", default="http://localhost:8000")
"""The storefront: links in account mails lead there."""

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
SESSION_ENGINE = "contexts.identity.adapters.sessions"
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=14 * 24 * 3600)
"""How long a session lives after its last use; a refresh token lives as long."""

# --- account ---------------------------------------------------------------------------------------------------------
ACCOUNT_ADAPTER = "contexts.identity.views.accounts.AccountAdapter"
ACCOUNT_USER_DISPLAY = "contexts.identity.queries.display_name"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "contexts.identity.serializers.SignupFields"
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", default="optional")
"""``optional``: customers may buy before they confirm; ``mandatory``: no login before; ``none``: no mail is sent."""
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
"""Nobody can make us write to an address that has no account."""
ACCOUNT_CHANGE_EMAIL = True
"""One e-mail per account; a new one replaces it when it is confirmed."""
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
"""Who changes the e-mail, and with it who may reset the password, has confirmed the password at ``auth/reauthenticate``
within five minutes; the login itself does not count. An access token alone, stolen or left behind, is not enough."""
ACCOUNT_RATE_LIMITS = {
    "login": "",
    "login_failed": env.str("LOGIN_FAILED_RATE_LIMIT", default="10/m/ip,5/5m/key"),
    "signup": env.str("SIGNUP_RATE_LIMIT", default="20/m/ip"),
    "reset_password": env.str("PASSWORD_RESET_RATE_LIMIT", default="20/m/ip,5/m/key"),
}
"""``amount/duration/per``: per ``ip``, or per ``key``, which is the account's e-mail. Empty means unlimited: logins of
one address are limited by ``THROTTLE_LOGIN``."""
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
"""How many proxies of ours append to X-Forwarded-For; without any, the header is ignored."""

# --- tokens ----------------------------------------------------------------------------------------------------------
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_SERVE_SPECIFICATION = True
HEADLESS_SPECIFICATION_TEMPLATE_NAME = None
HEADLESS_ADAPTER = "contexts.identity.views.accounts.HeadlessAdapter"
HEADLESS_TOKEN_STRATEGY = "contexts.identity.views.tokens.TokenStrategy"
HEADLESS_JWT_ALGORITHM = "RS256"
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = env.int("ACCESS_TOKEN_SECONDS", default=15 * 60)
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = SESSION_COOKIE_AGE
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": f"{FRONTEND_URL}/conta/confirmar-email/{{key}}",
    "account_reset_password": f"{FRONTEND_URL}/conta/recuperar-senha",
    "account_reset_password_from_key": f"{FRONTEND_URL}/conta/nova-senha/{{key}}",
    "account_signup": f"{FRONTEND_URL}/conta/criar",
    "socialaccount_login_error": f"{FRONTEND_URL}/conta/entrar?erro=social",
}

# --- second factor and social login ----------------------------------------------------------------------------------
MFA_ADAPTER = "contexts.identity.views.second_factor.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = env.str("SHOP_NAME", default="Loja")

SOCIALACCOUNT_ADAPTER = "contexts.identity.views.accounts.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = env.json("SOCIAL_LOGIN_PROVIDERS", default={})
"""django-allauth's setting as JSON, such as ``{"google": {"APPS": [{"client_id": "…", "secret": "…"}]}}``."""
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIAL_LOGIN_APPS = [f"allauth.socialaccount.providers.{provider}" for provider in SOCIALACCOUNT_PROVIDERS]

# --- postal codes ----------------------------------------------------------------------------------------------------
CEP_LOOKUP_URL = env.str("CEP_LOOKUP_URL", default="")
"""A service that answers like ViaCEP, with ``{cep}`` in its place; empty switches the lookup off."""
CEP_LOOKUP_TIMEOUT = env.float("CEP_LOOKUP_TIMEOUT", default=2.0)
